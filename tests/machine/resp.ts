/**
 * Replies in RESP2, read from a text of one character per byte; shares nothing with the code under test.
 *
 * @module
 */

/** One reply in RESP2, with what is inside it. */
export type Heard =
  | { readonly type: "line" | "bulk"; readonly text: string }
  | { readonly type: "array"; readonly items: readonly Heard[] };

/** The reply at that place of a text of one character per byte, and where it ends; `null` where it is not whole. */
export function readReply(text: string, at: number): { readonly heard: Heard; readonly end: number } | null {
  const lineEnd = text.indexOf("\r\n", at);
  if (lineEnd < 0) return null;
  const line = text.slice(at, lineEnd);
  const body = lineEnd + 2;
  const count = Number(line.slice(1));
  if (line.startsWith("$") && count >= 0) {
    const end = body + count + 2;
    return end > text.length ? null : { heard: { type: "bulk", text: text.slice(body, body + count) }, end };
  }
  if (!line.startsWith("*") || count < 0) return { heard: { type: "line", text: line }, end: body };
  const items: Heard[] = [];
  let next = body;
  for (let i = 0; i < count; i++) {
    const item = readReply(text, next);
    if (item === null) return null;
    items.push(item.heard);
    next = item.end;
  }
  return { heard: { type: "array", items }, end: next };
}
