// Everything around the picture, and what joins it: one object knows the state and tells all others.

import type { Camera } from "./camera";
import { apply, type Changes, summary } from "./changes";
import { by, h } from "./dom";
import { listen } from "./keys";
import { type Health, Stream } from "./live";
import { measure } from "./measure";
import { byWeight, type Compact, decode, equal, find, type Net } from "./net";
import { Panel } from "./panel";
import type { Unnamed } from "./paint";
import { follow } from "./pointer";
import { Search } from "./search";
import { fill } from "./share";
import type { Stage } from "./stage";
import { format, parse, type State } from "./state";
import { count, safe } from "./text";
import { Timeline } from "./timeline";
import { around, lead, same, spoken } from "./words";

const GRAPH = "/api/v1/graph";

/** fetchNet asks for the network of the present, or of a moment. */
export async function fetchNet(at = ""): Promise<Net> {
  const r = await fetch(at ? `${GRAPH}?at=${encodeURIComponent(at)}` : GRAPH);
  if (!r.ok) throw new Error(`${GRAPH}: ${r.status}`);
  return decode((await r.json()) as Compact);
}

/** writeLead writes the sentence above the picture. */
export function writeLead(net: Net, past: boolean): void {
  by("lead").hidden = false;
  by("lead").replaceChildren(...lead(net, past).flatMap(([n, words], i) => [i > 0 ? h("span", { className: "dot" }, " · ") : "", h("strong", {}, n), words]));
  by("empty").hidden = net.names.length > 0;
}

/** From so many links on, changes are not applied one by one. */
const HEAVY = 15_000;

export class App {
  private readonly panel: Panel;
  private readonly search: Search;
  private readonly timeline: Timeline;
  private health: Health = "reconnecting";
  private typing = 0;
  private loading = 0;
  private later = 0;

  constructor(
    private readonly stage: Stage,
    private state: State,
    still: () => boolean,
  ) {
    this.panel = new Panel(by("panel"), {
      open: (name) => this.open(name, true),
      close: () => this.unfocus(),
      point: (name) => this.over(name ? find(stage.net, name) : -1),
      tell: (words) => this.tell(words),
    });
    this.search = new Search(by("focus"), by("found"), () => stage.net, (i) => this.open(stage.net.names[i], true),
      (i) => this.over(i), (typed) => this.open(typed, true));
    this.timeline = new Timeline(by("time"), (at, smooth) => this.goto(at, smooth), still);
    this.bind();
  }

  private bind(): void {
    const { stage } = this;
    follow(stage, (i) => this.over(i), (i) => (i >= 0 ? this.open(stage.net.names[i], false) : this.unfocus()));
    listen(stage.canvas, {
      current: () => (stage.cursor >= 0 ? stage.cursor : stage.focus),
      net: () => stage.net,
      first: () => byWeight(stage.net)[0] ?? -1,
      move: (i) => this.cursor(i),
      open: (i) => this.open(stage.net.names[i], true),
      escape: () => this.unfocus(),
      zoom: (f) => stage.pilot.zoomBy(f),
      fit: () => this.fit(),
      pan: (x, y) => stage.pilot.panBy(x, y),
    });
    stage.canvas.addEventListener("blur", () => this.cursor(-1));
    by("zoom-in").addEventListener("click", () => stage.pilot.zoomBy(1.7));
    by("zoom-out").addEventListener("click", () => stage.pilot.zoomBy(1 / 1.7));
    by("zoom-fit").addEventListener("click", () => this.fit());
    // Where there is room, all of them are there anyway.
    this.popover("tools-open", "tools", () => {});
    this.popover("options-open", "options", () => this.readOptions());
    this.popover("share-open", "share", () => this.fillShare());
    by("options").addEventListener("change", () => this.takeOptions());
    addEventListener("popstate", () => void this.restore(parse(location.search)));
    addEventListener("keydown", (e) => this.shortcut(e));
    new ResizeObserver(() => this.resized()).observe(stage.canvas);
  }

  /** begin shows what the address says, and listens to what changes. */
  begin(): void {
    if (this.state.focus) this.open(this.state.focus, false, false, this.state.view === undefined);
    void this.timeline.load(this.state.at).then((there) => {
      if (!there) return;
      this.stage.pilot.insets = measure(this.panel.shown);
      if (!this.state.focus && !this.state.view) this.stage.pilot.fly(this.stage.pilot.overview(), 300);
    });
    new Stream("/api/v1/events", {
      hello: (version) => version !== this.stage.net.version && void this.refresh(),
      changes: (c) => this.change(c),
      reset: () => void this.refresh(),
      health: (x) => this.tellHealth(x),
    });
  }

  private shortcut(e: KeyboardEvent): void {
    const t = e.target as HTMLElement;
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName)) {
      return;
    }
    if (e.key === "/") {
      e.preventDefault();
      this.search.take();
    } else if (e.key === "Escape" && t !== this.stage.canvas) {
      this.unfocus();
    }
  }

  private popover(button: string, box: string, before: () => void): void {
    const b = by(button);
    const el = by(box);
    const set = (open: boolean) => {
      if (open) before();
      el.hidden = !open;
      b.setAttribute("aria-expanded", String(open));
    };
    b.addEventListener("click", () => set(el.hidden));
    document.addEventListener("pointerdown", (e) => !el.hidden && !el.contains(e.target as Node) && !b.contains(e.target as Node) && set(false));
    for (const part of [el, b]) {
      part.addEventListener("keydown", (e) => {
        if (e.key !== "Escape" || el.hidden) return;
        e.stopPropagation();
        set(false);
        b.focus();
      });
    }
  }

  private readOptions(): void {
    const form = by<HTMLFormElement>("options").elements;
    (form.namedItem("unnamed") as RadioNodeList).value = this.state.unnamed;
    (form.namedItem("mutual") as HTMLInputElement).checked = this.state.mutualOnly;
  }

  private takeOptions(): void {
    const form = by<HTMLFormElement>("options").elements;
    this.state.unnamed = (form.namedItem("unnamed") as RadioNodeList).value as Unnamed;
    this.state.mutualOnly = (form.namedItem("mutual") as HTMLInputElement).checked;
    this.showOptions();
    this.write(true);
  }

  private showOptions(): void {
    this.stage.unnamed = this.state.unnamed;
    this.stage.mutualOnly = this.state.mutualOnly;
    this.stage.ask();
  }

  private fillShare(): void {
    const { focus, at, unnamed, mutualOnly } = this.state;
    fill(by("share"), { focus, at, unnamed, mutual: mutualOnly }, () => this.stage.snapshot(2), (words) => this.tell(words));
  }

  private resized(): void {
    const p = this.stage.pilot;
    p.insets = measure(this.panel.shown);
    if (!this.stage.resize()) return;
    if (!this.state.view && !p.moving) p.jump(this.home());
  }

  private over(i: number): void {
    if (i === this.stage.hover) return;
    this.stage.hover = i;
    this.stage.canvas.classList.toggle("over", i >= 0);
    this.stage.ask();
  }

  private cursor(i: number): void {
    this.stage.cursor = i;
    this.stage.hover = -1;
    this.stage.ask();
    if (i < 0) return;
    this.tell(spoken(this.stage.net, i));
    this.stage.reveal(i);
  }

  /** home is the camera of who has not moved: everything, or the neighbourhood in focus. */
  private home(): Camera {
    const { net, pilot, focus } = this.stage;
    return focus < 0 ? pilot.overview() : pilot.boxed(around(net, focus), Math.max(1.1, pilot.fitScale));
  }

  private fit(): void {
    this.state.view = undefined;
    this.stage.pilot.insets = measure(this.panel.shown);
    this.stage.pilot.fly(this.stage.pilot.overview());
    this.write(false);
  }

  /** open puts a domain in focus. */
  private open(name: string, take: boolean, write = true, fly = true): void {
    const { stage } = this;
    const i = find(stage.net, name);
    stage.focus = i;
    stage.cursor = stage.hover = -1;
    this.state.focus = i < 0 ? name : stage.net.names[i];
    if (i < 0) this.panel.missing(name);
    else this.panel.show(stage.net, i, this.state.at !== "");
    stage.pilot.insets = measure(true);
    if (i >= 0 && fly) stage.pilot.fly(this.home());
    stage.ask();
    if (i >= 0) this.tell(spoken(stage.net, i));
    if (write) {
      this.state.view = undefined;
      this.write(true);
    }
    if (take) this.panel.focus();
  }

  private unfocus(): void {
    const had = this.state.focus !== "";
    const inside = by("panel").contains(document.activeElement);
    this.panel.hide();
    this.stage.focus = this.stage.cursor = this.stage.hover = -1;
    this.state.focus = "";
    this.stage.pilot.insets = measure(false);
    this.stage.ask();
    if (inside) this.stage.canvas.focus();
    if (had) this.write(true);
  }

  /** moved is called for each movement of the camera. */
  moved(byHand: boolean): void {
    if (!byHand) return;
    clearTimeout(this.typing);
    this.typing = window.setTimeout(() => {
      this.state.view = this.stage.pilot.centre();
      this.write(false);
    }, 400);
  }

  private write(push: boolean): void {
    clearTimeout(this.typing);
    const url = "/" + format(this.state);
    if (url === location.pathname + location.search) return;
    // Each focus is a step back; where one looked on the way is not.
    if (push) history.pushState(null, "", url);
    else history.replaceState(history.state, "", url);
    const i = this.stage.focus;
    const title = document.title.replace(/^.* · /, "");
    document.title = i >= 0 ? `${safe(this.stage.net.labels[i])} · ${title}` : title;
  }

  /** restore goes back to what the address says. */
  private async restore(s: State): Promise<void> {
    const at = this.state.at;
    this.state = s;
    this.showOptions();
    if (s.at !== at) {
      this.timeline.set(s.at);
      await this.goto(s.at, true, false);
    }
    if (s.focus) this.open(s.focus, false, false, !s.view);
    else this.unfocus();
    const p = this.stage.pilot;
    if (s.view) p.fly(p.at(s.view.x, s.view.y, s.view.k));
    else if (!s.focus) p.fly(p.overview());
  }

  /** goto shows another moment. */
  private async goto(at: string, smooth: boolean, write = true): Promise<void> {
    const mine = ++this.loading;
    const net = await fetchNet(at);
    if (mine !== this.loading) return;
    this.state.at = at;
    this.take(net, smooth);
    this.tellHealth(this.health);
    if (write) this.write(false);
  }

  private async refresh(): Promise<void> {
    if (this.state.at) return;
    try {
      await this.goto("", true, false);
    } catch {
      this.tellHealth("reconnecting");
    }
  }

  private change(c: Changes): void {
    if (this.state.at) return;
    if (c.from === this.stage.net.version && c.events.length === 0 && Object.keys(c.moved ?? {}).length === 0) {
      this.stage.net.version = c.to;
      return;
    }
    if (this.stage.net.mutual.length > HEAVY) {
      // Taking a large network apart would hold up a gesture; fetched whole now and then, it is decoded in a few milliseconds.
      this.later ||= window.setTimeout(() => {
        this.later = 0;
        void this.refresh();
      }, 5000);
      return;
    }
    const net = apply(this.stage.net, c);
    if (!net) {
      if (c.to !== this.stage.net.version) void this.refresh();
      return;
    }
    this.take(net, true);
    const words = summary(c.events);
    if (words) this.tell(words);
  }

  /** take shows another state of the network, and keeps focus and keyboard where they are. */
  private take(net: Net, smooth: boolean): void {
    const { stage } = this;
    const before = stage.net;
    if (equal(before, net)) {
      before.version = net.version;
      before.at = net.at;
      return;
    }
    const cursor = same(before, stage.cursor, net);
    stage.show(net, smooth);
    stage.cursor = cursor;
    stage.focus = this.state.focus ? find(net, this.state.focus) : -1;
    writeLead(net, this.state.at !== "");
    if (!this.state.focus) {
      // Who has not moved sees everything, also as it grows.
      if (!this.state.view && (before.names.length === 0 || grown(stage))) stage.pilot.fly(stage.pilot.overview());
      return;
    }
    if (stage.focus >= 0) this.panel.show(net, stage.focus, this.state.at !== "");
    else this.panel.missing(this.state.focus);
  }

  private tell(words: string): void {
    by("told").textContent = words;
  }

  private tellHealth(x: Health): void {
    this.health = x;
    const el = by("live");
    const past = this.state.at !== "";
    el.className = past ? "past" : x;
    el.textContent = past ? "Past" : { live: "Live", reconnecting: "Reconnecting …", offline: "Offline" }[x];
    el.title = past ? "What was known at that moment" : `${count(this.stage.net.names.length)} named domains`;
  }
}

/** grown reports whether the network no longer fits to what is shown. */
function grown(stage: Stage): boolean {
  const k = stage.pilot.fitScale / stage.pilot.camera.k;
  return k < 0.97 || k > 1.15;
}
