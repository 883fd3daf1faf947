/**
 * The links of one proxy, by name.
 *
 * Keeps true: a name is one link; what a link draws depends on the seed and on its name alone, so one more link changes no other one's faults.
 *
 * @module
 */
import { matchesGlob } from "../../../internal/base/glob.ts";
import { SeededRandom } from "../../../internal/base/random.ts";
import { ExitCode, Refusal } from "../../../internal/base/errors.ts";
import { Link, type LinkPlan } from "./link.ts";

export interface ProxyLimits {
  /** So much may wait in each direction of each connection before its source is not read. */
  readonly bufferBytesMax: number;
  /** Connections of one link; more are reset. */
  readonly connectionsMax: number;
}

const defaultProxyLimits: ProxyLimits = { bufferBytesMax: 4 * 1024 * 1024, connectionsMax: 1024 };

const NAME = /^[\w.@-]{1,64}$/;

export class Proxy {
  readonly seed: string;
  readonly #limits: ProxyLimits;
  readonly #links = new Map<string, Link>();

  constructor(seed: string, limits: Partial<ProxyLimits> = {}) {
    this.seed = seed;
    this.#limits = { ...defaultProxyLimits, ...limits };
  }

  /** Every link, in the order in which they were opened. */
  get links(): readonly Link[] {
    return [...this.#links.values()];
  }

  /**
   * Opens a link.
   *
   * @throws {Refusal} with exit code 78 where the name is taken or is none, or the port cannot be had
   */
  async open(plan: LinkPlan): Promise<Link> {
    const { name } = plan;
    const refuse = (reason: string) => new Refusal(ExitCode.configuration, reason);
    if (!NAME.test(name)) {
      throw refuse(`${name} is no name for a link: 1 to 64 letters, digits and . _ @ -`);
    }
    if (this.#links.has(name)) throw refuse(`there is a link ${name} already`);
    const link = await Link.open(plan, { ...this.#limits, random: new SeededRandom(`${this.seed}/${name}`) });
    this.#links.set(name, link);
    return link;
  }

  /** The link of that name. */
  link(name: string): Link {
    const link = this.#links.get(name);
    if (link === undefined) throw new Error(`there is no link ${name}`);
    return link;
  }

  /** The links whose names match, as keys match in Redis: `*` is all of them. */
  matching(pattern: string): readonly Link[] {
    const encoder = new TextEncoder();
    const bytes = encoder.encode(pattern);
    return this.links.filter(({ name }) => matchesGlob(bytes, encoder.encode(name)));
  }

  /** Takes a link away, and its connections with it. */
  async remove(link: Link): Promise<void> {
    this.#links.delete(link.name);
    await link.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.links.map((link) => this.remove(link)));
  }
}
