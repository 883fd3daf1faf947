/**
 * How many commands clients may ask in one turn of the loop: timers and other servers have to be heard between two turns, however much
 * is asked.
 *
 * Keeps true: no turn takes more than so many commands, of one client or of all, give or take what is submitted together; long ones, and those
 * with long answers, count as several; whoever has to wait goes on
 * in a later turn, in the order in which it began to wait; who asks little does not wait for those who ask much.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";

/** Of all clients, and of one: some ten milliseconds' work. */
const COMMANDS_MAX = 4096;
const COMMANDS_OF_ONE_MAX = 1024;
/** Who asks no more than so many is served even when the turn is full, up to a fuller one: it would wait behind those who filled it. */
const FEW = 64;
const COMMANDS_WITH_FEW_MAX = 16_384;
/** As long as fewer were taken nobody looks at the clock. */
const COMMANDS_UNWATCHED = 2048;

/** What one client took in the present turn. */
export interface PaceShare {
  turn: number;
  taken: number;
}

export class Pace {
  readonly #clock: Clock;
  #turn = 0;
  #taken = 0;
  #isWatched = false;
  #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  share(): PaceShare {
    return { turn: this.#turn, taken: 0 };
  }

  /** A client took commands, or as much work as so many of them. */
  took(share: PaceShare, commands: number): void {
    if (share.turn !== this.#turn) {
      share.turn = this.#turn;
      share.taken = 0;
    }
    share.taken += commands;
    this.#taken += commands;
    if (this.#taken >= COMMANDS_UNWATCHED) this.#watch();
  }

  /** Whether this client has to wait for another turn. */
  isOver(share: PaceShare): boolean {
    const own = share.turn === this.#turn ? share.taken : 0;
    if (own < FEW) return this.#taken >= COMMANDS_WITH_FEW_MAX;
    return own >= COMMANDS_OF_ONE_MAX || this.#taken >= COMMANDS_MAX;
  }

  /** Calls back in another turn, when it is this one's. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn);
    this.#watch();
  }

  /** Not `soon`: what is due soon still belongs to this turn. */
  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#clock.wakeAt(this.#clock.now(), () => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#isWatched = false;
    this.#turn++;
    this.#taken = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [i, goOn] of waiting.entries()) {
      if (this.#taken >= COMMANDS_MAX) {
        this.#waiting = [...waiting.slice(i), ...this.#waiting];
        return this.#watch();
      }
      goOn();
    }
  }
}
