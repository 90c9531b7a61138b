// Event streams that answer a POST, which EventSource can't read.

/** An event of a stream. */
export interface ServerEvent {
  name: string;
  data: string;
}

/** The most characters of one event; more is cut off with the stream. */
const LONGEST = 1 << 20;

/** Parser takes a stream apart, in whatever pieces it comes. */
export class Parser {
  private rest = "";

  /** push takes more of the stream and returns the events that are complete. */
  push(text: string): ServerEvent[] {
    this.rest += text;
    if (this.rest.length > LONGEST) throw new Error("an event is too long");
    const blocks = this.rest.split(/\r\n\r\n|\n\n|\r\r/);
    this.rest = blocks.pop()!;
    return blocks.map(event).filter((e) => e !== undefined);
  }
}

function event(block: string): ServerEvent | undefined {
  let name = "message";
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === "event") name = value ?? "";
    else if (field === "data") data.push(value ?? "");
  }
  return data.length > 0 ? { name, data: data.join("\n") } : undefined;
}
