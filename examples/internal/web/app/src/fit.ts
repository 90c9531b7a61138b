// How a network fits into a picture whose rims are covered.

import type { Box } from "./net";
import type { View } from "./paint";

/** The scale up to which a picture is enlarged to fill the screen. */
const CLOSEST = 3;

/** What covers the picture at its rims, in CSS pixels. */
export interface Insets {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

/** A picture in CSS pixels. */
export interface Size {
  width: number;
  height: number;
}

/** scaleFor is the scale at which a rectangle fits. */
export function scaleFor(b: Box, s: Size, i: Insets): number {
  const w = Math.max(80, s.width - i.left - i.right);
  const h = Math.max(80, s.height - i.top - i.bottom);
  return Math.min(w / (b.x1 - b.x0), h / (b.y1 - b.y0), CLOSEST);
}

/** middle is the point of the picture in the middle of what is not covered. */
export function middle(s: Size, i: Insets): { x: number; y: number } {
  return { x: (i.left + s.width - i.right) / 2, y: (i.top + s.height - i.bottom) / 2 };
}

/** centred shows a point of the network there. */
export function centred(s: Size, i: Insets, x: number, y: number, k: number): View {
  const m = middle(s, i);
  return { k, dx: m.x - x * k, dy: m.y - y * k };
}

/** whole shows a rectangle in the middle. */
export function whole(b: Box, s: Size, i: Insets, k: number): View {
  return centred(s, i, (b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2, k);
}
