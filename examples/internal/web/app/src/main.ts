// The second script: what is around the picture, once that is drawn.

import { App, writeLead } from "./app";
import { by } from "./dom";
import { measure } from "./measure";
import { type Compact, decode } from "./net";
import type { Begun } from "./orders";
import { Stage } from "./stage";

const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** pause lets whatever waits have its turn: a large network takes a while to be read. */
const pause = () => new Promise((done) => setTimeout(done));

async function start({ painter, state, text, camera }: Begun): Promise<void> {
  const answer = await text;
  await pause();
  const net = decode(JSON.parse(answer) as Compact);
  await pause();
  writeLead(net, state.at !== "");
  let app: App | undefined;
  const stage = new Stage(by("picture"), painter, net, () => dark.matches, () => still.matches, (byHand) => app?.moved(byHand));
  dark.addEventListener("change", () => stage.ask());
  Object.assign(stage, { unnamed: state.unnamed, mutualOnly: state.mutualOnly });
  stage.pilot.insets = measure(false);
  stage.begin(camera);
  app = new App(stage, state, () => still.matches);
  app.begin();
  by("map").classList.add("ready");
  performance.mark("ready");
}

void start(window.begun!);
