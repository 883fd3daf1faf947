/**
 * Bytes as strings of one character per byte (ISO 8859-1), and back: lossless for any bytes, and comparing such strings
 * compares the bytes.
 *
 * @module
 */

const CHUNK = 4096;

export function latin1Of(bytes: Uint8Array): string {
  // One call makes one flat string; adding up characters would make a chain that every later comparison has to walk.
  if (bytes.length <= CHUNK) return Reflect.apply(String.fromCharCode, null, bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += latin1Of(bytes.subarray(at, at + CHUNK));
  return text;
}

/** The bytes of a string whose characters are all below 256. */
export function bytesOfLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
