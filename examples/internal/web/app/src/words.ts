// Sentences about what is shown.

import { find, neighbours, type Net } from "./net";
import { count, plural, safe } from "./text";

/** lead is the network in one sentence, in the words that are true: dots count links, not domains.
 * Of the past it may not be known who had how many unnamed peers. */
export function lead(net: Net, past = false): [string, string][] {
  const n = net.names.length;
  const links = net.mutual.length;
  const all: [string, string][] = [
    [count(n), n === 1 ? " named domain" : " named domains"],
    [count(links), links === 1 ? " link between them" : " links between them"],
    [count(net.unnamed), net.unnamed === 1 ? " link to a domain that stays unnamed" : " links to domains that stay unnamed"],
  ];
  return past && net.unnamed === 0 ? all.slice(0, 2) : all;
}

/** spoken describes a domain for those who hear it. */
export function spoken(net: Net, i: number): string {
  let mutual = 0;
  for (let e = 0; e < net.mutual.length; e++) {
    if (net.mutual[e] && (net.ends[2 * e] === i || net.ends[2 * e + 1] === i)) mutual++;
  }
  const plain = net.labels[i] === net.names[i] ? "" : `, in ASCII ${net.names[i]}`;
  const role = net.reports[i] ? "" : ", named by others";
  const unnamed = net.counts[i] > 0 ? `, ${plural(net.counts[i], "unnamed")}`.replace("unnameds", "unnamed") : "";
  const both = mutual > 0 ? `, ${count(mutual)} reported by both ends` : "";
  return `${safe(net.labels[i])}${plain}${role}: ${plural(net.degree[i], "link")}${both}${unnamed}`;
}

/** same finds the domain of one network in another, -1 where it is not there. */
export function same(from: Net, i: number, to: Net): number {
  return i < 0 || i >= from.names.length ? -1 : find(to, from.names[i]);
}

/** around is the rectangle that holds a domain and its neighbours. */
export function around(net: Net, i: number): { x0: number; y0: number; x1: number; y1: number } {
  const r = Math.max(net.r[i], 40);
  const b = { x0: net.x[i] - r, y0: net.y[i] - r, x1: net.x[i] + r, y1: net.y[i] + r };
  for (const j of neighbours(net, i)) {
    b.x0 = Math.min(b.x0, net.x[j] - 20);
    b.x1 = Math.max(b.x1, net.x[j] + 20);
    b.y0 = Math.min(b.y0, net.y[j] - 20);
    b.y1 = Math.max(b.y1, net.y[j] + 20);
  }
  return b;
}
