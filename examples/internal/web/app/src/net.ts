// The network as typed arrays, decoded from the compact form of graph/export.

/** What /api/v1/graph answers; see the comment of export.Compact. */
export interface Compact {
  format: string;
  version: number;
  at: number;
  named: number;
  reporting: number;
  unnamed: number;
  links: number;
  names: string[];
  labels: Record<string, string>;
  counts: number[];
  reports: number[];
  x?: number[];
  y?: number[];
  r?: number[];
  edges: number[];
  mutual: string;
}

/** A domain as plain values, for building a network from changes. */
export interface Node {
  name: string;
  label: string;
  count: number;
  reports: boolean;
  x: number;
  y: number;
  r: number;
}

/** A link between two domains by index. */
export interface Link {
  a: number;
  b: number;
  mutual: boolean;
}

/** One state of the network. It never changes, but for the version, which also counts what makes no difference here. */
export interface Net {
  version: number;
  /** Unix time in seconds. */
  at: number;
  names: string[];
  /** What people read; the same as the name for most. */
  labels: string[];
  /** Unnamed peers of each domain. */
  counts: Uint32Array;
  reports: Uint8Array;
  x: Float32Array;
  y: Float32Array;
  /** The radius of the disc that the unnamed peers fill. */
  r: Float32Array;
  /** Two indexes for each link. */
  ends: Uint32Array;
  /** 1 for a link that both ends report. */
  mutual: Uint8Array;
  degree: Uint32Array;
  /** The colour class of each domain, 0 to CLASSES-1, by its links. */
  classes: Uint8Array;
  unnamed: number;
  reporting: number;
}

export const CLASSES = 5;

/** Distance between neighbouring seeds of a disc, and how many of them the middle keeps free; as in graph/layout. */
export const SPACING = 4;
export const HOLE = 4;
const GOLDEN = 2.3999632297286533;

/** decode reads the compact form, and throws where that is not what this page was written for. */
export function decode(c: Compact): Net {
  if (c.format !== "xmppgraph/1") throw new Error(`unknown format ${JSON.stringify(c.format)}`);
  const n = c.names.length;
  const column = (v: number[] | undefined) => {
    if (!v || v.length !== n) throw new Error("a column is not as long as the names");
    return v;
  };
  const { ends, links } = decodeEdges(c.edges, n);
  if (c.mutual.length !== links) throw new Error("as many marks as links are needed");
  const mutual = new Uint8Array(links);
  for (let e = 0; e < links; e++) mutual[e] = c.mutual.charCodeAt(e) - 48;
  const labels = c.names.slice();
  for (const i in c.labels) labels[+i] = c.labels[i];
  return finish({
    version: c.version,
    at: c.at,
    names: c.names,
    labels,
    counts: Uint32Array.from(column(c.counts)),
    reports: Uint8Array.from(column(c.reports)),
    x: Float32Array.from(column(c.x)),
    y: Float32Array.from(column(c.y)),
    r: Float32Array.from(column(c.r)),
    ends,
    mutual,
  });
}

/** decodeEdges expands the differences: a domain's step from the one before, how many links follow, and their other ends. */
export function decodeEdges(edges: number[], n: number): { ends: Uint32Array; links: number } {
  const ends = new Uint32Array(edges.length * 2);
  let links = 0;
  let a = 0;
  for (let p = 0; p < edges.length; ) {
    a += edges[p++];
    let b = a;
    for (let more = edges[p++]; more > 0; more--) {
      b += edges[p++];
      if (!(a >= 0 && b > a && b < n)) throw new Error("a link leads out of the network");
      ends[2 * links] = a;
      ends[2 * links + 1] = b;
      links++;
    }
  }
  return { ends: ends.slice(0, 2 * links), links };
}

/** build makes a network of domains and links, such as those that changes leave. */
export function build(version: number, at: number, nodes: Node[], links: Link[]): Net {
  const ends = new Uint32Array(2 * links.length);
  const mutual = new Uint8Array(links.length);
  links.forEach((l, e) => {
    ends[2 * e] = l.a;
    ends[2 * e + 1] = l.b;
    mutual[e] = l.mutual ? 1 : 0;
  });
  return finish({
    version,
    at,
    names: nodes.map((d) => d.name),
    labels: nodes.map((d) => d.label),
    counts: Uint32Array.from(nodes, (d) => d.count),
    reports: Uint8Array.from(nodes, (d) => (d.reports ? 1 : 0)),
    x: Float32Array.from(nodes, (d) => d.x),
    y: Float32Array.from(nodes, (d) => d.y),
    r: Float32Array.from(nodes, (d) => d.r),
    ends,
    mutual,
  });
}

function finish(p: Omit<Net, "degree" | "classes" | "unnamed" | "reporting">): Net {
  const degree = new Uint32Array(p.names.length);
  for (const i of p.ends) degree[i]++;
  let unnamed = 0;
  let reporting = 0;
  for (const c of p.counts) unnamed += c;
  for (const r of p.reports) reporting += r;
  return { ...p, degree, classes: classify(degree), unnamed, reporting };
}

/** classify gives colour classes by the square root of the links, because most domains have few; as the SVG of graph/export does. */
export function classify(degree: Uint32Array): Uint8Array {
  let most = 0;
  for (const d of degree) most = Math.max(most, d);
  const out = new Uint8Array(degree.length);
  if (most === 0) return out;
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.min(CLASSES - 1, Math.floor(CLASSES * Math.sqrt(degree[i] / most)));
  }
  return out;
}

let seedX = new Float32Array(0);
let seedY = new Float32Array(0);

/** seeds returns the places of the first n unnamed peers of any disc, relative to its middle. */
export function seeds(n: number): { x: Float32Array; y: Float32Array } {
  if (seedX.length < n) {
    seedX = new Float32Array(n);
    seedY = new Float32Array(n);
    for (let k = 0; k < n; k++) {
      const r = SPACING * Math.sqrt(k + HOLE);
      seedX[k] = r * Math.cos(k * GOLDEN);
      seedY[k] = r * Math.sin(k * GOLDEN);
    }
  }
  return { x: seedX, y: seedY };
}

/** Neighbours of each domain, as slices of one array. */
export interface Adjacency {
  from: Uint32Array;
  to: Uint32Array;
  /** The link that leads there. */
  link: Uint32Array;
}

const adjacencies = new WeakMap<Net, Adjacency>();

/** adjacency is made on the first call for a network, since the first picture needs none. */
export function adjacency(net: Net): Adjacency {
  let adj = adjacencies.get(net);
  if (!adj) adjacencies.set(net, (adj = makeAdjacency(net)));
  return adj;
}

function makeAdjacency(net: Net): Adjacency {
  const n = net.names.length;
  const from = new Uint32Array(n + 1);
  for (let i = 0; i < n; i++) from[i + 1] = from[i] + net.degree[i];
  const next = from.slice();
  const to = new Uint32Array(net.ends.length);
  const link = new Uint32Array(net.ends.length);
  for (let e = 0; e < net.mutual.length; e++) {
    const a = net.ends[2 * e];
    const b = net.ends[2 * e + 1];
    link[next[a]] = e;
    to[next[a]++] = b;
    link[next[b]] = e;
    to[next[b]++] = a;
  }
  return { from, to, link };
}

/** neighbours lists the domains that one is linked to. */
export function neighbours(net: Net, i: number): Uint32Array {
  const adj = adjacency(net);
  return adj.to.subarray(adj.from[i], adj.from[i + 1]);
}

const indexes = new WeakMap<Net, Map<string, number>>();

/** find returns the index of a domain by its name or by what people read, -1 for none. */
export function find(net: Net, name: string): number {
  let index = indexes.get(net);
  if (!index) {
    index = new Map();
    net.labels.forEach((l, i) => index!.set(l, i));
    net.names.forEach((l, i) => index!.set(l, i));
    indexes.set(net, index);
  }
  return index.get(name.trim().toLowerCase().replace(/\.$/, "")) ?? -1;
}

/** weight says how much a domain stands out: by its links first. */
export function weight(net: Net, i: number): number {
  return 3 * net.degree[i] + net.counts[i];
}

const orders = new WeakMap<Net, Uint32Array>();

/** byWeight lists all domains, those that stand out first. */
export function byWeight(net: Net): Uint32Array {
  let order = orders.get(net);
  if (!order) {
    order = Uint32Array.from(net.names, (_, i) => i);
    order.sort((a, b) => weight(net, b) - weight(net, a) || a - b);
    orders.set(net, order);
  }
  return order;
}

/** equal reports whether two states look the same. */
export function equal(a: Net, b: Net): boolean {
  const same = (p: ArrayLike<unknown>, q: ArrayLike<unknown>) => {
    if (p.length !== q.length) return false;
    for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) return false;
    return true;
  };
  return (["names", "ends", "mutual", "counts", "reports", "x", "y", "r"] as const).every((k) => same(a[k], b[k]));
}

export interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** bounds is the rectangle round all discs. */
export function bounds(net: Net): Box {
  if (net.names.length === 0) return { x0: -1, y0: -1, x1: 1, y1: 1 };
  const b = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  for (let i = 0; i < net.names.length; i++) {
    b.x0 = Math.min(b.x0, net.x[i] - net.r[i]);
    b.x1 = Math.max(b.x1, net.x[i] + net.r[i]);
    b.y0 = Math.min(b.y0, net.y[i] - net.r[i]);
    b.y1 = Math.max(b.y1, net.y[i] + net.r[i]);
  }
  return b;
}
