// The first script: has the network fetched and painted, and only then loads what is around the picture.

import { by } from "./dom";
import { frameOf } from "./frame";
import { measure } from "./measure";
import type { Channel, Opening } from "./orders";
import type { View } from "./paint";
import { parse } from "./state";
import { roaming } from "./surface";

const { painter: painterURL = "", rest = "" } = (document.currentScript as HTMLScriptElement).dataset;
const state = parse(location.search);

/** After so many milliseconds without a picture the page says what it waits for. */
const PATIENCE = 1500;

/** load runs a script of ours. */
function load(url: string): Promise<void> {
  return new Promise((done, fail) => {
    const s = document.createElement("script");
    s.src = url;
    s.addEventListener("load", () => done());
    s.addEventListener("error", () => fail(new Error(`${url} could not be loaded`)));
    document.head.append(s);
  });
}

/** note says something in the middle of the picture, and resolves when the visitor presses the button. */
function note(words: string, button = ""): Promise<void> {
  const el = by("wait");
  el.textContent = words;
  el.hidden = words === "";
  return new Promise((done) => {
    if (!button) return;
    const b = document.createElement("button");
    b.type = "button";
    b.textContent = button;
    b.addEventListener("click", () => done());
    el.append(b);
  });
}

/** ready resolves once the page has its elements. */
const ready = new Promise<void>((done) => {
  if (document.readyState !== "loading") done();
  else document.addEventListener("DOMContentLoaded", () => done());
});

/** ask fetches the network, as often as the visitor wants to try. */
async function ask(): Promise<string> {
  for (;;) {
    const waiting = setTimeout(() => void note("Fetching the network …"), PATIENCE);
    try {
      const r = await fetch(state.at ? `/api/v1/graph?at=${encodeURIComponent(state.at)}` : "/api/v1/graph");
      if (r.ok) return await r.text();
    } catch {
      // The browser has told who wants to know.
    } finally {
      clearTimeout(waiting);
    }
    await ready;
    await note("The network could not be fetched.", "Try again");
    void note("Trying again …");
  }
}

/** styled resolves once all style sheets are there, before which nothing has its size. */
function styled(): Promise<unknown> {
  const links = document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]");
  return Promise.all(Array.from(links, (l) => l.sheet ?? new Promise((done) => ["load", "error"].forEach((e) => l.addEventListener(e, done)))));
}

/** open measures the page. That has it laid out, which its first frame then needn't do, but only after what else waits: the worker's start. */
async function open(canvas: HTMLCanvasElement): Promise<Opening> {
  await styled();
  await new Promise((done) => setTimeout(done));
  const set = (query: string) => matchMedia(query).matches;
  return {
    frame: frameOf(canvas), insets: measure(false), view: state.view, unnamed: state.unnamed, mutualOnly: state.mutualOnly,
    dark: set("(prefers-color-scheme: dark)"), still: set("(prefers-reduced-motion: reduce)"),
  };
}

/** away is a painter in a worker. */
function away(worker: Worker, canvas: HTMLCanvasElement): Channel {
  const self: Channel = { send: (o, transfer = []) => worker.postMessage(o, transfer), hear: () => {} };
  worker.onmessage = (e) => self.hear(e.data);
  const off = canvas.transferControlToOffscreen();
  self.send({ kind: "canvas", canvas: off }, [off]);
  return self;
}

/** here is a painter on the page, for browsers without canvases off the screen, and where no worker comes. */
async function here(canvas: HTMLCanvasElement): Promise<Channel> {
  await load(painterURL);
  const self: Channel = { send: (o) => painter.take(o), hear: () => {} };
  const painter = window.paintHere!((a) => self.hear(a));
  self.send({ kind: "canvas", canvas });
  return self;
}

/** draw has the first picture made, and tells through which camera it is seen. */
function draw(painter: Channel, canvas: HTMLCanvasElement, text: Promise<string>): Promise<View> {
  void open(canvas).then((opening) => painter.send({ kind: "open", opening }));
  void text.then((t) => painter.send({ kind: "text", text: t }));
  return new Promise((done, fail) => {
    painter.hear = (a) => {
      if (a.kind === "drawn") done(a.camera);
      if (a.kind === "failed") fail(new Error(a.words));
    };
  });
}

async function start(): Promise<void> {
  // Both take a while, and the page is not even read.
  const worker = roaming() ? new Worker(painterURL) : undefined;
  // It may fail before anybody waits for it.
  const lost = new Promise<never>((_, fail) => worker?.addEventListener("error", () => fail(new Error("the painter did not come"))));
  lost.catch(() => {});
  const text = ask();
  await ready;
  // What the sentence above the picture says is true of the present only.
  by("lead").hidden = state.at !== "";
  let canvas = by<HTMLCanvasElement>("picture");
  const onPage = async () => {
    const painter = await here(canvas);
    return { painter, camera: await draw(painter, canvas, text) };
  };
  const offPage = async (w: Worker) => {
    const painter = away(w, canvas);
    return { painter, camera: await Promise.race([draw(painter, canvas, text), lost]) };
  };
  const first = await (worker ? offPage(worker).catch(() => {
    worker.terminate();
    // A canvas that was given away doesn't come back.
    const other = canvas.cloneNode() as HTMLCanvasElement;
    canvas.replaceWith(other);
    canvas = other;
    return onPage();
  }) : onPage());
  performance.mark("drawn");
  void note("");
  window.begun = { ...first, state, text };
  await load(rest);
}

start().catch(async (err: unknown) => {
  console.warn(err);
  await note("The picture could not be drawn.", "Try again");
  location.reload();
});
