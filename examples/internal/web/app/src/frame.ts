// The size of the picture.

import type { Frame } from "./orders";

/** frameOf is the size of the canvas on this screen. */
export function frameOf(canvas: HTMLCanvasElement): Frame {
  return { width: Math.max(1, canvas.clientWidth), height: Math.max(1, canvas.clientHeight), ratio: Math.min(2, devicePixelRatio || 1) };
}
