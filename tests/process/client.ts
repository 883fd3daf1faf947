/**
 * A small client for tests, written apart from the product's own so that a fault in one does not hide in the other.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

export type Answer = string | number | null | Answer[] | ErrorAnswer;

/** An error reply. */
export class ErrorAnswer {
  constructor(readonly text: string) {}
}

export class TestClient {
  readonly #socket: Socket;
  /** What came and is not read yet stands between the two places; room grows by doubling, so a long answer costs its length. */
  #buffer: Uint8Array = new Uint8Array(4096);
  #from = 0;
  #to = 0;
  readonly #waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  #closed: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#append(chunk);
      this.#drain();
    });
    const gone = (why: string) => {
      this.#closed ??= new Error(why);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#closed);
    };
    socket.on("error", (error) => gone(`connection failed: ${error.message}`));
    socket.on("close", () => gone("connection closed"));
  }

  static async connect(port: number): Promise<TestClient> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new TestClient(socket);
  }

  /** Sends a command; gives its answer, errors as `ErrorAnswer`. */
  send(...words: string[]): Promise<Answer> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    const parts = [`*${words.length}\r\n`];
    for (const word of words) parts.push(`$${new TextEncoder().encode(word).length}\r\n${word}\r\n`);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(parts.join(""));
    });
  }

  /** Sends a command whose answer is a text; throws where it is an error or something else. */
  async text(...words: string[]): Promise<string> {
    const answer = await this.send(...words);
    if (typeof answer === "string") return answer;
    throw new Error(
      `${words[0]} answered ${answer instanceof ErrorAnswer ? answer.text : JSON.stringify(answer)}`,
    );
  }

  /** That answer, or an error when it does not come in time. */
  async within<T>(ms: number, answer: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #append(chunk: Uint8Array): void {
    const length = this.#to - this.#from;
    if (this.#to + chunk.length > this.#buffer.length) {
      const room = Math.max(this.#buffer.length, 2 * (length + chunk.length));
      const next = new Uint8Array(room);
      next.set(this.#buffer.subarray(this.#from, this.#to));
      this.#buffer = next;
      this.#from = 0;
      this.#to = length;
    }
    this.#buffer.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  #drain(): void {
    const bytes = this.#buffer.subarray(0, this.#to);
    while (this.#waiting.length > 0) {
      const parsed = parse(bytes, this.#from);
      if (parsed === null) break;
      this.#from = parsed.end;
      this.#waiting.shift()?.resolve(parsed.answer);
    }
  }
}

function parse(bytes: Uint8Array, at: number): { answer: Answer; end: number } | null {
  const lineEnd = bytes.indexOf(10, at);
  if (lineEnd < 0) return null;
  const line = new TextDecoder().decode(bytes.subarray(at, lineEnd - 1));
  const rest = line.slice(1);
  switch (line[0]) {
    case "+":
      return { answer: rest, end: lineEnd + 1 };
    case "-":
      return { answer: new ErrorAnswer(rest), end: lineEnd + 1 };
    case ":":
      return { answer: Number(rest), end: lineEnd + 1 };
    case "$": {
      const length = Number(rest);
      if (length < 0) return { answer: null, end: lineEnd + 1 };
      const end = lineEnd + 1 + length + 2;
      if (bytes.length < end) return null;
      return { answer: new TextDecoder().decode(bytes.subarray(lineEnd + 1, end - 2)), end };
    }
    case "*": {
      const items: Answer[] = [];
      let next = lineEnd + 1;
      for (let i = 0; i < Number(rest); i++) {
        const item = parse(bytes, next);
        if (item === null) return null;
        items.push(item.answer);
        next = item.end;
      }
      return { answer: items, end: next };
    }
    default:
      throw new Error(`Cannot read the reply ${JSON.stringify(line)}`);
  }
}
