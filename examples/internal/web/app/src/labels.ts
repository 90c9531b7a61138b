// Label placement: in the order of importance, each where it overlaps no other, or nowhere.

/** A rectangle that is taken, in CSS pixels. */
interface Taken {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  soft: boolean;
}

/** A label that wants a place by a mark. */
export interface Wish {
  x: number;
  y: number;
  /** Radius of the mark. */
  r: number;
  width: number;
  height: number;
  /** A label that stands out may cover marks, but no label. */
  bold: boolean;
}

/** Where the middle of a label goes. */
export interface Place {
  x: number;
  y: number;
}

const CELL = 64;

/** Placer finds room. A grid keeps the work proportional to the number of labels. */
export class Placer {
  private readonly cells = new Map<number, Taken[]>();

  /** A screen of that size, with a margin around it. The origin is the corner of the screen. */
  constructor(
    private readonly width: number,
    private readonly height: number,
    private readonly margin = 0,
  ) {}

  /** mark keeps a mark free of those labels that are not bold. */
  mark(x: number, y: number, r: number): void {
    this.add({ x0: x - r, y0: y - r, x1: x + r, y1: y + r, soft: true });
  }

  /** block keeps a rectangle free of all labels. */
  block(x0: number, y0: number, x1: number, y1: number): void {
    this.add({ x0, y0, x1, y1, soft: false });
  }

  /** place takes the first free one of above, below, right and left of the mark. */
  place(w: Wish): Place | undefined {
    const gap = w.r + 2 + w.height / 2;
    const side = w.r + 4 + w.width / 2;
    // A mark on the screen has its label there too; one outside may have it anywhere.
    const room = this.onScreen(w.x, w.y) ? 0 : this.margin;
    // At a rim it goes aside, as far as it stays above or below its mark.
    const most = this.width + room - w.width / 2 - 2;
    const least = w.width / 2 + 2 - room;
    const aside = least > most ? 0 : Math.min(Math.max(w.x, least), most) - w.x;
    const shift = Math.abs(aside) < w.width / 2 ? aside : 0;
    for (const [dx, dy] of [[shift, -gap], [shift, gap], [side, 0], [-side, 0]]) {
      const p = { x: w.x + dx, y: w.y + dy };
      const t = {
        x0: p.x - w.width / 2 - 2, y0: p.y - w.height / 2, x1: p.x + w.width / 2 + 2, y1: p.y + w.height / 2, soft: false,
      };
      if (this.inside(t, room) && this.free(t, w.bold)) {
        this.add(t);
        return p;
      }
    }
    return undefined;
  }

  private onScreen(x: number, y: number): boolean {
    return x >= 0 && y >= 0 && x <= this.width && y <= this.height;
  }

  private inside(t: Taken, room: number): boolean {
    return t.x0 >= -room && t.y0 >= -room && t.x1 <= this.width + room && t.y1 <= this.height + room;
  }

  private free(t: Taken, bold: boolean): boolean {
    for (const key of keys(t)) {
      for (const o of this.cells.get(key) ?? []) {
        if (o.soft && bold) continue;
        if (t.x0 < o.x1 && o.x0 < t.x1 && t.y0 < o.y1 && o.y0 < t.y1) return false;
      }
    }
    return true;
  }

  private add(t: Taken): void {
    for (const key of keys(t)) {
      const cell = this.cells.get(key);
      if (cell) cell.push(t);
      else this.cells.set(key, [t]);
    }
  }
}

function* keys(t: Taken): Generator<number> {
  for (let y = Math.floor(t.y0 / CELL); y <= Math.floor(t.y1 / CELL); y++) {
    for (let x = Math.floor(t.x0 / CELL); x <= Math.floor(t.x1 / CELL); x++) yield y * 65536 + x;
  }
}
