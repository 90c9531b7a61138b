// What the server tells of a change, applied to the network that is shown.

import { build, type Link, type Net, type Node } from "./net";

/** A domain in an event. */
export interface ChangedDomain {
  name: string;
  label?: string;
  reporting?: boolean;
  unnamed?: number;
  x?: number;
  y?: number;
  r?: number;
}

/** One event of /api/v1/diff and of the live stream. */
export interface ChangeEvent {
  kind: string;
  domain?: ChangedDomain;
  /** Of a domain that is gone: its place among the names that are shown. Its name isn't told any more. */
  index?: number;
  link?: { a: string; b: string; state?: string };
}

/** What leads from one version to the next. */
export interface Changes {
  from: number;
  to: number;
  at: string | number;
  /** The numbers of the new version. */
  counts?: { domains: number; links: number };
  events: ChangeEvent[];
  /** New places by name: x, y and radius. */
  moved?: Record<string, [number, number, number]>;
}

/** apply returns the network after changes, or undefined where they don't fit to it: then it has to be fetched anew. */
export function apply(net: Net, c: Changes): Net | undefined {
  if (c.from !== net.version) return undefined;
  const work = new Work(net);
  for (const ev of c.events ?? []) if (!work.take(ev)) return undefined;
  return work.done(c);
}

class Work {
  private readonly nodes = new Map<string, Node>();
  private readonly links = new Map<string, { a: string; b: string; mutual: boolean }>();

  constructor(private readonly net: Net) {
    net.names.forEach((name, i) =>
      this.nodes.set(name, {
        name, label: net.labels[i], count: net.counts[i], reports: net.reports[i] === 1, x: net.x[i], y: net.y[i], r: net.r[i],
      }),
    );
    for (let e = 0; e < net.mutual.length; e++) {
      const a = net.names[net.ends[2 * e]];
      const b = net.names[net.ends[2 * e + 1]];
      this.links.set(key(a, b), { a, b, mutual: net.mutual[e] === 1 });
    }
  }

  take(ev: ChangeEvent): boolean {
    if (gone(ev)) return this.nodes.delete(this.net.names[ev.index ?? -1]);
    if (ev.domain) return this.domain(ev.kind, ev.domain);
    if (ev.link) return this.link(ev.kind, ev.link);
    return true;
  }

  private domain(kind: string, d: ChangedDomain): boolean {
    const old = this.nodes.get(d.name);
    const n: Node = {
      name: d.name,
      label: d.label ?? old?.label ?? d.name,
      count: d.unnamed ?? (kind === "seen" ? (old?.count ?? 0) : 0),
      reports: d.reporting ?? old?.reports ?? false,
      x: d.x ?? old?.x ?? NaN,
      y: d.y ?? old?.y ?? NaN,
      r: d.r ?? old?.r ?? NaN,
    };
    this.nodes.set(d.name, n);
    return true;
  }

  private link(kind: string, l: { a: string; b: string; state?: string }): boolean {
    const k = key(l.a, l.b);
    if (kind === "unlinked" || kind === "faded" || l.state === "lapsed") this.links.delete(k);
    else this.links.set(k, { a: l.a, b: l.b, mutual: l.state === "mutual" });
    return true;
  }

  done(c: Changes): Net | undefined {
    for (const [name, [x, y, r]] of Object.entries(c.moved ?? {})) {
      const n = this.nodes.get(name);
      if (n) Object.assign(n, { x, y, r });
    }
    const nodes = [...this.nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (nodes.some((n) => !(Number.isFinite(n.x) && Number.isFinite(n.y) && Number.isFinite(n.r)))) return undefined;
    const index = new Map(nodes.map((n, i) => [n.name, i]));
    const links: Link[] = [];
    for (const l of this.links.values()) {
      const a = index.get(l.a);
      const b = index.get(l.b);
      // The links of a domain that left go with it.
      if (a !== undefined && b !== undefined) links.push({ a: Math.min(a, b), b: Math.max(a, b), mutual: l.mutual });
    }
    links.sort((p, q) => p.a - q.a || p.b - q.b);
    if (c.counts && (c.counts.domains !== nodes.length || c.counts.links !== links.length)) return undefined;
    const at = typeof c.at === "number" ? c.at : Math.floor(Date.parse(c.at) / 1000);
    return build(c.to, at, nodes, links);
  }
}

/** gone reports whether a domain is not shown any more. */
function gone(ev: ChangeEvent): boolean {
  return ev.kind === "left" || ev.kind === "renounced";
}

function key(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** summary says in a sentence what changed, for those who don't see it; empty where nothing worth telling did. */
export function summary(events: ChangeEvent[]): string {
  const joined = events.filter((e) => e.kind === "joined" && e.domain);
  const left = events.filter(gone);
  const say = (n: number, one: string, verb: string) => (n === 0 ? "" : n === 1 ? `${one} ${verb}` : `${n} domains ${verb}`);
  // Who has left may not be named any more, and is not known here.
  return [say(joined.length, joined[0]?.domain!.label ?? joined[0]?.domain!.name ?? "", "joined"), say(left.length, "a domain", "left")].filter(Boolean).join(", ");
}
