// Labels as text with an outline of the ground's colour, so that they can be read on whatever is below.

import { type Context, pen, surface } from "./surface";

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

export interface Style {
  size: number;
  weight: number;
  colour: string;
  halo: string;
}

const widths = new Map<string, number>();
let ruler: Context | undefined;

/** width of a text in CSS pixels, from one measurement for all sizes. */
export function width(text: string, size: number, weight: number): number {
  const key = weight + text;
  let w = widths.get(key);
  if (w === undefined) {
    ruler ??= pen(surface(1, 1));
    ruler.font = `${weight} 20px ${FONT}`;
    w = ruler.measureText(text).width / 20;
    if (widths.size > 20000) widths.clear();
    widths.set(key, w);
  }
  return w * size;
}

/** write draws a text round a point. */
export function write(c: Context, text: string, s: Style, x: number, y: number): void {
  c.font = `${s.weight} ${s.size}px ${FONT}`;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.lineJoin = "round";
  c.lineWidth = 3;
  c.strokeStyle = s.halo;
  c.strokeText(text, x, y);
  c.fillStyle = s.colour;
  c.fillText(text, x, y);
}
