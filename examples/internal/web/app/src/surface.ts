// Canvases wherever the painter runs: off the screen in a worker, or elements of the page.

export type Surface = HTMLCanvasElement | OffscreenCanvas;
export type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** roaming reports whether canvases can be handed to a worker. */
export function roaming(): boolean {
  return "OffscreenCanvasRenderingContext2D" in globalThis && typeof Worker === "function" && "transferControlToOffscreen" in HTMLCanvasElement.prototype;
}

/** surface makes a canvas that nobody sees. */
export function surface(width: number, height: number): Surface {
  if ("OffscreenCanvasRenderingContext2D" in globalThis) return new OffscreenCanvas(width, height);
  const c = document.createElement("canvas");
  c.width = width;
  c.height = height;
  return c;
}

/** pen returns what draws on a canvas that is never transparent. */
export function pen(s: Surface): Context {
  return s.getContext("2d", { alpha: false }) as Context;
}

/** png encodes a canvas. */
export async function png(s: Surface): Promise<Blob> {
  if ("convertToBlob" in s) return s.convertToBlob({ type: "image/png" });
  return new Promise((done, fail) => s.toBlob((b) => (b ? done(b) : fail(new Error("the picture could not be encoded")))));
}
