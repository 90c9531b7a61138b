// The map page: draws first, and adds everything around the picture afterwards.

import { App, measure, writeLead } from "./app";
import { by } from "./dom";
import { type Compact, decode } from "./net";
import { parse } from "./state";
import { Stage } from "./stage";
import { DARK, LIGHT } from "./theme";

const state = parse(location.search);
// For the present the page has told the browser already that this will be wanted.
const answer = fetch(state.at ? `/api/v1/graph?at=${encodeURIComponent(state.at)}` : "/api/v1/graph");
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

async function start(): Promise<void> {
  by("map").hidden = false;
  let app: App | undefined;
  const stage = new Stage(by("picture"), dark.matches ? DARK : LIGHT, () => still.matches, (byHand) => app?.moved(byHand));
  dark.addEventListener("change", () => stage.setTheme(dark.matches ? DARK : LIGHT));
  Object.assign(stage, { unnamed: state.unnamed, mutualOnly: state.mutualOnly });
  const r = await answer;
  if (!r.ok) throw new Error(`/api/v1/graph: ${r.status}`);
  const net = decode((await r.json()) as Compact);
  writeLead(net, state.at !== "");
  stage.net = net;
  stage.pilot.insets = measure(false);
  stage.resize();
  const p = stage.pilot;
  p.jump(state.view ? p.at(state.view.x, state.view.y, state.view.k) : p.overview());
  stage.begin();
  // The rest waits until the picture is on the screen.
  requestAnimationFrame(() => setTimeout(() => {
    performance.mark("drawn");
    app = new App(stage, state, () => still.matches);
    app.begin();
    performance.mark("ready");
  }));
}

start().catch((err: unknown) => {
  const note = by("empty");
  note.textContent = "The network could not be fetched. ";
  const again = document.createElement("button");
  again.textContent = "Try again";
  again.addEventListener("click", () => location.reload());
  note.append(again);
  note.hidden = false;
  console.warn(err);
});
