// The slider over the history. It asks for moments one after another, never for several at a time.

import { get, type History, type Point } from "./api";
import { by } from "./dom";
import { moment } from "./text";

/** How many steps a play has, and how long each stands, in milliseconds. */
const STEPS = 60;
const PACE = 650;

/** stamp writes a moment as the API and the address take it. */
export function stamp(ms: number): string {
  return new Date(Math.round(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

/** area returns the outline of a curve in a box of that size: x and y by turns, from the left to the right. */
export function area(values: number[], times: number[], width: number, height: number): number[] {
  const most = Math.max(1, ...values);
  const t0 = times[0];
  const span = Math.max(1, times[times.length - 1] - t0);
  return values.flatMap((v, i) => [((times[i] - t0) / span) * width, height - (v / most) * height]);
}

export class Timeline {
  private readonly slider = by<HTMLInputElement>("when");
  private readonly out = by<HTMLOutputElement>("moment");
  private readonly playing = by<HTMLButtonElement>("play");
  private readonly back = by<HTMLButtonElement>("now");
  private from = 0;
  private to = 0;
  private history?: History;
  private timer = 0;
  private busy = false;
  private wanted?: string;

  constructor(
    private readonly el: HTMLElement,
    /** Shows a moment; empty for the present. */
    private readonly go: (at: string, smooth: boolean) => Promise<void>,
    private readonly still: () => boolean,
  ) {
    this.slider.addEventListener("input", () => {
      this.stop();
      this.want(this.at());
    });
    this.playing.addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    this.back.addEventListener("click", () => {
      this.stop();
      this.slider.value = "1";
      this.want("");
    });
  }

  /** load asks which past there is; without one the slider stays away. */
  async load(at: string): Promise<boolean> {
    try {
      // Whoever keeps no history says so here, without an error in the console.
      const stats = await get<{ history?: unknown }>("/api/v1/stats");
      this.history = stats?.history ? await get<History>("/api/v1/history?points=200") : undefined;
    } catch {
      return false;
    }
    const points = this.history?.points ?? [];
    if (points.length < 2) return false;
    this.from = Date.parse(points[0].at);
    this.to = Date.parse(points[points.length - 1].at);
    if (!(this.to > this.from)) return false;
    this.el.hidden = false;
    if (at) this.slider.value = String((Date.parse(at) - this.from) / (this.to - this.from));
    this.label();
    this.draw(points);
    return true;
  }

  private at(): string {
    const v = Number(this.slider.value);
    return v >= 0.999 ? "" : stamp(this.from + v * (this.to - this.from));
  }

  /** set moves the slider to what is shown. */
  set(at: string): void {
    if (this.to > this.from) this.slider.value = at ? String((Date.parse(at) - this.from) / (this.to - this.from)) : "1";
    this.label();
  }

  private label(): void {
    const at = this.at();
    const words = at ? moment(new Date(at)) : "now";
    this.out.value = words;
    this.slider.setAttribute("aria-valuetext", words);
    this.back.hidden = !at;
  }

  private want(at: string): void {
    this.label();
    this.wanted = at;
    if (!this.busy) void this.work();
  }

  private async work(): Promise<void> {
    this.busy = true;
    while (this.wanted !== undefined) {
      const at = this.wanted;
      this.wanted = undefined;
      try {
        await this.go(at, true);
      } catch {
        this.stop();
      }
    }
    this.busy = false;
  }

  private play(): void {
    if (Number(this.slider.value) >= 0.999) this.slider.value = "0";
    this.playing.classList.add("on");
    this.playing.setAttribute("aria-label", "Pause");
    const step = () => {
      const next = Math.min(1, Number(this.slider.value) + 1 / STEPS);
      if (!this.busy) {
        this.slider.value = String(next);
        this.want(this.at());
      }
      if (next >= 1) this.stop();
    };
    this.timer = window.setInterval(step, this.still() ? 2 * PACE : PACE);
    this.want(this.at());
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = 0;
    this.playing.classList.remove("on");
    this.playing.setAttribute("aria-label", "Play the history");
  }

  /** draw shows the growth of links behind the slider. */
  private draw(points: Point[]): void {
    const line = area(points.map((p) => p.links), points.map((p) => Date.parse(p.at)), 1000, 100);
    by("growth").querySelector("path")!.setAttribute("d", `M0 100L${line.map((v) => +v.toFixed(1)).join(" ")}L1000 100z`);
  }
}
