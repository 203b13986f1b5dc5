/** What a server says. */
export type Frame =
  | { readonly type: "open" }
  | { readonly type: "heartbeat" }
  | { readonly type: "messages"; readonly messages: readonly string[] }
  | { readonly type: "close"; readonly code: number; readonly reason: string };

/** The first letter tells what a frame is. What is none is ignored, as is the prelude of a response. */
export function parseFrame(text: string): Frame | undefined {
  switch (text[0]) {
    case "o":
      return { type: "open" };
    case "h":
      return text[1] === "h" ? undefined : { type: "heartbeat" };
    case "a":
    case "m":
    case "c":
      return parsePayload(text[0], text.slice(1));
    default:
      return undefined;
  }
}

function parsePayload(letter: string, json: string): Frame | undefined {
  let payload: unknown;
  try {
    payload = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (letter === "m") return { type: "messages", messages: [String(payload)] };
  if (!Array.isArray(payload)) return undefined;
  if (letter === "a") return { type: "messages", messages: payload.map(String) };
  const [code, reason] = payload;
  return typeof code === "number" ? { type: "close", code, reason: String(reason ?? "") } : undefined;
}
