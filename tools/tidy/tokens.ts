/**
 * TypeScript text to tokens: enough of the grammar to tell code from comments and from the insides of strings.
 *
 * Keeps true: the tokens are the text without its white space, in order; a word in a comment, a string, a template's
 * text or a regular expression is never a token of its own, and a word between `${` and `}` always is; text that no
 * compiler would take still ends.
 *
 * A slash begins a regular expression unless the token before it can end a value. After `)` and `}` only a parser
 * could tell: `)` counts as the end of a value unless it closes the head of `if`, `while` or `for`; `}` always does.
 *
 * @module
 */

export type TokenKind = "word" | "number" | "string" | "template" | "regex" | "sign" | "comment";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

const SPACE = /\s+/uy;
const COMMENT = /\/\/[^\n]*|\/\*(?:[^]*?\*\/|[^]*)/uy;
const WORD = /[#@]?[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\.?\d[\w.]*/uy;
const STRING = /"(?:[^"\\\n]|\\[^])*"?|'(?:[^'\\\n]|\\[^])*'?/uy;
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{)?/uy;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/uy;
const SIGN = /=>|[!=]==?|\.\.\.|\?\.(?!\d)|\?\?=?|&&=?|\|\|=?|\+\+|--|[^]/uy;

const BEFORE_A_VALUE = new Set(
  ("await case delete do else extends in instanceof new of return throw typeof void yield").split(" "),
);
const HEADS = new Set(["if", "while", "for"]);

/** Whether the word stands before a value and cannot be one: then `/` begins a regular expression and `!` is "not". */
export function expectsValue(word: string): boolean {
  return BEFORE_A_VALUE.has(word);
}

class Tokenizer {
  readonly tokens: Token[] = [];
  readonly #text: string;
  #at = 0;
  #line = 1;
  #previous: Token | undefined;
  #beforePrevious: Token | undefined;
  /** For each open template, how many braces are open inside its current `${`. */
  readonly #templates: number[] = [];
  /** For each open parenthesis, whether it is the head of a statement. */
  readonly #heads: boolean[] = [];
  #closedHead = false;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Token[] {
    while (this.#at < this.#text.length) this.#next();
    return this.tokens;
  }

  #next(): void {
    if (this.#skip(SPACE)) return;
    if (this.#take("comment", COMMENT)) return;
    const letter = this.#text[this.#at];
    if (letter === "`") return this.#template(1);
    if (letter === "}" && this.#templates.at(-1) === 0) {
      this.#templates.pop();
      return this.#template(1);
    }
    if (this.#take("word", WORD) || this.#take("number", NUMBER) || this.#take("string", STRING)) return;
    if (letter === "/" && !this.#endsValue() && this.#take("regex", REGEX)) return;
    this.#take("sign", SIGN);
    this.#nest(letter);
  }

  #nest(letter: string | undefined): void {
    const depth = this.#templates.at(-1);
    if (depth !== undefined && letter === "{") this.#templates[this.#templates.length - 1] = depth + 1;
    if (depth !== undefined && letter === "}") this.#templates[this.#templates.length - 1] = depth - 1;
    if (letter === "(") {
      const word = this.#beforePrevious;
      this.#heads.push(word !== undefined && word.kind === "word" && HEADS.has(word.text));
    }
    if (letter === ")") this.#closedHead = this.#heads.pop() ?? false;
  }

  /** Takes a template's text up to its end or its next `${`; `opening` is the length of what comes before the text. */
  #template(opening: number): void {
    const end = this.#endOf(TEMPLATE_TEXT, this.#at + opening);
    const text = this.#text.slice(this.#at, end);
    if (text.endsWith("${")) this.#templates.push(0);
    this.#push("template", end);
  }

  #endsValue(): boolean {
    const previous = this.#previous;
    if (previous === undefined) return false;
    switch (previous.kind) {
      case "word":
        return this.#beforePrevious?.text === "." || !expectsValue(previous.text);
      case "template":
        return !previous.text.endsWith("${");
      case "sign":
        if (previous.text === ")") return !this.#closedHead;
        return ["]", "}", "++", "--"].includes(previous.text);
      default:
        return true;
    }
  }

  #skip(pattern: RegExp): boolean {
    const end = this.#endOf(pattern, this.#at);
    if (end === this.#at) return false;
    this.#advance(end);
    return true;
  }

  #take(kind: TokenKind, pattern: RegExp): boolean {
    const end = this.#endOf(pattern, this.#at);
    if (end === this.#at) return false;
    this.#push(kind, end);
    return true;
  }

  #endOf(pattern: RegExp, from: number): number {
    pattern.lastIndex = from;
    return pattern.test(this.#text) ? pattern.lastIndex : from;
  }

  #push(kind: TokenKind, end: number): void {
    const token: Token = { kind, text: this.#text.slice(this.#at, end), line: this.#line };
    this.tokens.push(token);
    if (kind !== "comment") {
      this.#beforePrevious = this.#previous;
      this.#previous = token;
    }
    this.#advance(end);
  }

  #advance(end: number): void {
    for (let at = this.#at; at < end; at++) if (this.#text[at] === "\n") this.#line++;
    this.#at = end;
  }
}

/** The tokens of a TypeScript text. */
export function tokensOf(text: string): readonly Token[] {
  return new Tokenizer(text).run();
}

/** What stands between the quotes of a string or of a template without `${`; escapes are left as they are. */
export function unquoted(token: Token): string {
  return token.text.replace(/^["'`]|["'`]$/gu, "");
}
