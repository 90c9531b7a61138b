// The live stream of changes.

import type { Changes } from "./changes";

export type Health = "live" | "reconnecting" | "offline";

/** What the stream tells. */
export interface Listener {
  /** The stream is at a version; what is shown may be older. */
  hello(version: number): void;
  changes(c: Changes): void;
  /** What is shown has to be fetched anew. */
  reset(): void;
  health(h: Health): void;
}

/** The pause after which a stream that the browser has given up is opened again, in milliseconds. */
const RETRY = [2000, 5000, 15000, 30000];

/** Stream listens until it is closed. */
export class Stream {
  private source?: EventSource;
  private tries = 0;
  private timer = 0;

  constructor(
    private readonly url: string,
    private readonly to: Listener,
  ) {
    addEventListener("online", () => this.open());
    addEventListener("offline", () => this.to.health("offline"));
    // A page that nobody sees needs no stream, and browsers allow few per site.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    this.open();
  }

  private open(): void {
    clearTimeout(this.timer);
    if (this.source && this.source.readyState !== EventSource.CLOSED) {
      // A stream can outlive a short loss of the network.
      if (this.source.readyState === EventSource.OPEN) this.to.health("live");
      return;
    }
    const s = (this.source = new EventSource(this.url));
    s.addEventListener("open", () => {
      this.tries = 0;
      this.to.health("live");
    });
    s.addEventListener("hello", (e) => this.read(e, (v: { version: number }) => this.to.hello(v.version)));
    s.addEventListener("changes", (e) => this.read(e, (c: Changes) => this.to.changes(c)));
    s.addEventListener("reset", () => this.to.reset());
    s.addEventListener("error", () => this.failed(s));
  }

  private read<T>(e: Event, use: (v: T) => void): void {
    let v: T;
    try {
      v = JSON.parse((e as MessageEvent<string>).data) as T;
    } catch {
      this.to.reset();
      return;
    }
    use(v);
  }

  private failed(s: EventSource): void {
    if (document.hidden) return;
    this.to.health(navigator.onLine ? "reconnecting" : "offline");
    if (s.readyState !== EventSource.CLOSED) return;
    this.timer = window.setTimeout(() => this.open(), RETRY[Math.min(this.tries++, RETRY.length - 1)]);
  }

  private close(): void {
    clearTimeout(this.timer);
    this.source?.close();
  }
}
