// Labels as small pictures, drawn once each: outlined text is the slowest thing that a canvas can do.

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

export interface Style {
  size: number;
  weight: number;
  colour: string;
  halo: string;
}

export interface Sprite {
  image: HTMLCanvasElement;
  /** CSS pixels. */
  width: number;
  height: number;
}

const PAD = 4;

/** Sprites makes labels and keeps those that were used last. */
export class Sprites {
  private readonly made = new Map<string, Sprite>();
  private readonly widths = new Map<string, number>();
  private readonly ruler: CanvasRenderingContext2D;

  constructor(
    private readonly ratio: number,
    private readonly most = 600,
  ) {
    this.ruler = document.createElement("canvas").getContext("2d")!;
  }

  /** width of a text in CSS pixels, from one measurement for all sizes. */
  width(text: string, size: number, weight: number): number {
    const key = weight + text;
    let w = this.widths.get(key);
    if (w === undefined) {
      this.ruler.font = `${weight} 20px ${FONT}`;
      w = this.ruler.measureText(text).width / 20;
      if (this.widths.size > 20000) this.widths.clear();
      this.widths.set(key, w);
    }
    return w * size;
  }

  get(text: string, s: Style): Sprite {
    const key = `${s.size} ${s.weight} ${s.colour} ${s.halo} ${text}`;
    let sprite = this.made.get(key);
    if (sprite) {
      this.made.delete(key);
    } else {
      sprite = this.make(text, s);
      if (this.made.size >= this.most) this.made.delete(this.made.keys().next().value!);
    }
    this.made.set(key, sprite);
    return sprite;
  }

  private make(text: string, s: Style): Sprite {
    const width = Math.ceil(this.width(text, s.size, s.weight)) + 2 * PAD;
    const height = Math.ceil(s.size * 1.3) + 2 * PAD;
    const image = document.createElement("canvas");
    image.width = Math.min(4096, Math.ceil(width * this.ratio));
    image.height = Math.ceil(height * this.ratio);
    const c = image.getContext("2d")!;
    c.scale(this.ratio, this.ratio);
    c.font = `${s.weight} ${s.size}px ${FONT}`;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.lineJoin = "round";
    c.lineWidth = 3;
    c.strokeStyle = s.halo;
    c.strokeText(text, width / 2, height / 2);
    c.fillStyle = s.colour;
    c.fillText(text, width / 2, height / 2);
    return { image, width, height };
  }
}
