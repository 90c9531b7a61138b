// Levels of detail: what is worth drawing at a scale. All lengths are in CSS pixels.

import { SPACING } from "./net";

/** The most links that one picture draws; of more, those between the most linked are drawn, and all of whatever is pointed at. */
export const EDGE_BUDGET = 7000;

/** The same while the picture of a large network moves: the rest comes when it stands. */
export const MOVING_BUDGET = 1500;

/** Dots of unnamed peers, or none where they would run together. */
export interface Dots {
  /** The side of a dot; zero for none. */
  size: number;
  /** Whether a dot is large enough to be seen to be round. */
  round: boolean;
  /** What the dots leave to the tint of the disc: 1 is all. */
  tint: number;
}

/** dots says how unnamed peers are drawn at a scale. */
export function dots(k: number): Dots {
  const pitch = SPACING * k;
  if (pitch < 1.7) return { size: 0, round: false, tint: 2 };
  // Between the two levels dots and tint change gradually, so that zooming shows no step.
  const t = Math.min(1, (pitch - 1.7) / 1.6);
  return { size: Math.min(Math.max(0.9, pitch * 0.42), 14), round: pitch > 7, tint: 2 - t };
}

/** markRadius is the size of a domain's mark, which grows with its links, and slowly with the scale. */
export function markRadius(degree: number, k: number): number {
  const r = 2.3 + Math.min(4.2, 0.42 * Math.sqrt(degree));
  return r * Math.min(2.6, Math.max(0.32, Math.pow(k, 0.5)));
}

/** edgeAlpha is the opacity of a link, which falls with the number of those that are drawn and rises as one comes closer. */
export function edgeAlpha(links: number, closeness: number): number {
  const drawn = Math.min(links, EDGE_BUDGET);
  const crowd = Math.pow(Math.min(1, 1500 / drawn), 0.4);
  return Math.min(0.6, Math.max(0.03, (6.5 / Math.sqrt(drawn + 30)) * crowd * Math.pow(Math.max(1, closeness), 0.4)));
}

/** fontSize of the label of a domain with that share of the largest weight, 0 to 1, on a screen of that width. */
export function fontSize(share: number, k: number, fit: number, screen: number): number {
  const small = screen < 600 ? 0.86 : 1;
  const base = 10.5 + 8 * Math.pow(share, 0.7);
  const closer = Math.min(1.35, Math.max(1, Math.pow(k / fit, 0.18)));
  return Math.round(Math.max(10, Math.min(22, base * closer * small)));
}

/** maxLabels is how many labels a picture of that size may have before it stops being calm. */
export function maxLabels(width: number, height: number): number {
  return Math.max(8, Math.min(160, Math.round((width * height) / 9000)));
}

/** rank orders links so that a part of them still shows how the network hangs together:
 * first the link of each domain to its most linked neighbour, then all others evenly mixed. It takes one pass, since it stands before the first picture. */
export function rank(ends: Uint32Array, degree: Uint32Array): Uint32Array {
  const links = ends.length / 2;
  const best = new Int32Array(degree.length).fill(-1);
  const heft = new Uint32Array(degree.length);
  for (let e = 0; e < links; e++) {
    const a = ends[2 * e];
    const b = ends[2 * e + 1];
    if (degree[b] > heft[a]) [best[a], heft[a]] = [e, degree[b]];
    if (degree[a] > heft[b]) [best[b], heft[b]] = [e, degree[a]];
  }
  const out = new Uint32Array(links);
  const taken = new Uint8Array(links);
  let n = 0;
  const take = (e: number) => {
    if (e < 0 || taken[e]) return;
    taken[e] = 1;
    out[n++] = e;
  };
  best.forEach(take);
  // A step without a common divisor visits every link, far from the one before: their order is that of names, which says nothing.
  for (let p = 0, e = 0, step = coprime(links); p < links; p++, e = (e + step) % links) take(e);
  return out;
}

/** coprime returns a step near the golden section of n that has no divisor in common with n. */
function coprime(n: number): number {
  let step = Math.max(1, Math.floor(n * 0.618));
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  while (gcd(step, n) > 1) step++;
  return step;
}
