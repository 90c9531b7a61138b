// Levels of detail: what is worth drawing at a scale. All lengths are in CSS pixels.

import { SPACING } from "./net";

/** The most links that one picture draws; of more, those between the most linked are drawn, and all of whatever is pointed at. */
export const EDGE_BUDGET = 7000;

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
 * first each domain's link to its most linked neighbour, then to the second, and so on. */
export function rank(ends: Uint32Array, degree: Uint32Array): Uint32Array {
  const links = ends.length / 2;
  const all = Uint32Array.from({ length: links }, (_, e) => e);
  const heft = (e: number) => degree[ends[2 * e]] * degree[ends[2 * e + 1]];
  const heavy = Float64Array.from({ length: links }, (_, e) => heft(e));
  all.sort((e, f) => heavy[f] - heavy[e] || e - f);
  const seen = new Uint32Array(degree.length);
  const turn = new Uint32Array(links);
  for (const e of all) {
    turn[e] = Math.min(seen[ends[2 * e]]++, seen[ends[2 * e + 1]]++);
  }
  return all.sort((e, f) => turn[e] - turn[f] || heavy[f] - heavy[e] || e - f);
}
