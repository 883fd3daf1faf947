/**
 * The search for a linearization of one key: an order of the operations that one store, used by one client at a time, could have had.
 *
 * Depth first, over a doubly linked list of calls and returns (Wing and Gong). The operations that may come next, the candidates, are those whose
 * call stands before the first return of a definite operation that is not placed. Placing one takes its call and return out of the list; turning
 * back puts them in again. A set of placed operations that led nowhere, with its state, is remembered and not tried again (Lowe).
 *
 * Keeps true: a set that can be completed has, among the continuations that are tried, one that can be completed. Each shortcut below keeps
 * that by itself, at each set, for whatever completion there is; so they hold together. "Completion" is an order of all other definite operations
 * and of any other optional ones, that the model and the times allow. What is found is an order of the history itself, and
 * witness.ts replays it without any of this.
 *
 *  1. A candidate that only reads and is possible now is placed at once, and nothing else is tried. In any completion it may be moved to
 *     the front: it changes nothing, and a candidate may stand in front of all others.
 *  2. A branch of which nothing can come is cut: a value is wanted that cannot come about any more (wanted.ts), or a list outgrew what is
 *     wanted (list_states.ts). Such a branch has no completion.
 *  3. An optional operation is tried only where a definite candidate that is not blind is possible right after it, or where another
 *     optional one that is not blind is left. Take a completion with the fewest optional operations, and say it begins with one of them, u. u is
 *     not its end, and what follows is not blind: else the same without u would be a completion with fewer. If what follows is definite, it is
 *     a candidate now, since u was not in its way.
 *  4. For registers (register_states.ts): at a spent value a write is placed at once, and nothing else is tried, where all remaining reads of
 *     what it writes are candidates too; they follow by rule 1. An optional write only if there is such a read. In any completion
 *     these operations may be moved to the front together. At the front, the next one behind them cannot be a read, as it would want the
 *     spent value; it is a blind write or the end, and does not mind. At the place that they left, what follows is a blind write or the end
 *     too: a read there would have wanted that value and would have moved. (At a value that is still wanted the same holds, since rule 1 leaves
 *     no read of it among the candidates; but there rule 2 cuts sooner.)
 *
 * @module
 */
import type { Budget } from "./budget.ts";
import { DeadEnds } from "./dead_ends.ts";
import { ListStates } from "./list_states.ts";
import type { Problem } from "./problem.ts";
import { RegisterStates } from "./register_states.ts";
import { IMPOSSIBLE_STATE, type States } from "./states.ts";
import { IMPOSSIBLE } from "./string_model.ts";
import { StringStates } from "./string_states.ts";
import { UNWANTED } from "./wanted.ts";

export type SearchResult =
  /** Numbers of operations of the problem, in order. */
  | { readonly kind: "found"; readonly order: readonly number[] }
  | { readonly kind: "none" }
  | { readonly kind: "gaveUp"; readonly why: string };

/** No operation has to be placed at once. */
const NOTHING = -1;

/** A set at which there is a choice. */
interface Choice {
  /** How many operations were placed when it came up. */
  readonly depth: number;
  /** Where its candidates begin on the stack of candidates. */
  readonly from: number;
  /** The next one to try. */
  next: number;
}

export function search(problem: Problem, budget: Budget): SearchResult {
  return new Search(problem, budget).run();
}

class Search {
  readonly #problem: Problem;
  readonly #budget: Budget;
  readonly #states: States;
  readonly #register: RegisterStates | null = null;
  readonly #deadEnds = new DeadEnds();

  /** The list: its head and end are 0, the call of operation i stands at 2 i + 1, its return at 2 i + 2. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** The same for calls of optional operations: operation `definite` + i stands at i + 1. */
  readonly #nextOptional: Int32Array;
  readonly #previousOptional: Int32Array;

  /** One bit for each operation, by its place in `#bitOf`: those that are placed. */
  readonly #placed: Int32Array;
  readonly #bitOf: Int32Array;
  /** Bits of optional operations begin with this word. */
  readonly #optionalWord: number;
  #definiteLeft: number;
  /** Optional operations that are not blind and not placed. */
  #changersLeft = 0;
  #state: number;

  /** What was placed, in order, and the state that each found. */
  readonly #trail: Int32Array;
  readonly #found: Int32Array;
  #depth = 0;
  readonly #choices: Choice[] = [];
  readonly #candidates: number[] = [];

  /** By state of a register: how many candidates want it; and the states where that is not 0. */
  readonly #asking: number[] = [];
  readonly #asked: number[] = [];
  readonly #key: Int32Array;

  constructor(problem: Problem, budget: Budget) {
    this.#problem = problem;
    this.#budget = budget;
    const { steps, definite } = problem;
    if (RegisterStates.fits(problem)) this.#states = this.#register = new RegisterStates(problem);
    else this.#states = ListStates.fits(problem) ? new ListStates(problem) : new StringStates(problem);
    this.#state = this.#states.initial;
    this.#definiteLeft = definite;
    this.#trail = new Int32Array(steps.length);
    this.#found = new Int32Array(steps.length);

    this.#next = new Int32Array(2 * definite + 1);
    this.#previous = new Int32Array(2 * definite + 1);
    this.#linkDefinite();

    this.#nextOptional = new Int32Array(steps.length - definite + 1);
    this.#previousOptional = new Int32Array(steps.length - definite + 1);
    this.#optionalWord = (definite + 31) >>> 5;
    this.#bitOf = Int32Array.from(steps, (_, i) => i);
    const optional = this.#linkOptional();
    this.#placed = new Int32Array(this.#optionalWord + ((optional + 31) >>> 5));
    this.#key = new Int32Array(this.#placed.length + 2);
  }

  run(): SearchResult {
    const { steps, definite } = this.#problem;
    const isPossible = steps.every((step, i) => i >= definite || step !== IMPOSSIBLE) &&
      !this.#states.isHopelessAtFirst();
    if (!isPossible) return { kind: "none" };
    while (this.#definiteLeft > 0) {
      const ended = this.#budget.spend(definite - this.#definiteLeft, definite, this.#deadEnds.bytes);
      if (ended !== null) return { kind: "gaveUp", why: ended };
      const from = this.#candidates.length;
      const forced = this.#register === null ? this.#expand() : this.#expandRegister(this.#register);
      if (forced !== NOTHING) {
        this.#candidates.length = from;
        this.#place(forced, this.#states.after(forced, this.#state));
        continue;
      }
      const isDead = this.#deadEnds.count > 0 && this.#deadEnds.has(this.#key, this.#writeKey());
      if (isDead) this.#candidates.length = from;
      else this.#choices.push({ depth: this.#depth, from, next: from });
      if (!this.#advance()) return { kind: "none" };
    }
    return { kind: "found", order: [...this.#trail.subarray(0, this.#depth)] };
  }

  /** Tries the next candidate of the latest choice that has one left; `false` where none has. */
  #advance(): boolean {
    for (let choice = this.#choices.at(-1); choice !== undefined; choice = this.#choices.at(-1)) {
      while (this.#depth > choice.depth) this.#takeBack();
      while (choice.next < this.#candidates.length) {
        const operation = this.#candidates[choice.next++] ?? 0;
        const before = this.#state;
        const after = this.#states.after(operation, before);
        if (after === IMPOSSIBLE_STATE) continue;
        this.#place(operation, after);
        if (!this.#isHopeless(operation, before)) return true;
        this.#takeBack();
      }
      // Without a candidate it is found out again as fast as it could be looked up.
      if (this.#candidates.length > choice.from) this.#deadEnds.add(this.#key, this.#writeKey());
      this.#candidates.length = choice.from;
      this.#choices.pop();
    }
    return false;
  }

  /* ---- candidates ---- */

  /** Puts the candidates on the stack, or gives the one that is placed at once (rule 1). */
  #expand(): number {
    const { steps } = this.#problem;
    const from = this.#candidates.length;
    let node = this.#next[0] ?? 0;
    for (; node % 2 === 1; node = this.#next[node] ?? 0) {
      const operation = node >>> 1;
      if (!this.#isReady(operation)) continue;
      if (steps[operation]?.isReadOnly !== true) this.#candidates.push(operation);
      else if (this.#states.after(operation, this.#state) !== IMPOSSIBLE_STATE) return operation;
    }
    this.#sortByReturn(from);
    this.#pushOptional(node);
    return NOTHING;
  }

  /** The same for registers (rules 1 and 4). */
  #expandRegister(register: RegisterStates): number {
    const from = this.#candidates.length;
    while (this.#asked.length > 0) this.#asking[this.#asked.pop() ?? 0] = 0;
    let node = this.#next[0] ?? 0;
    for (; node % 2 === 1; node = this.#next[node] ?? 0) {
      const operation = node >>> 1;
      if (!this.#isReady(operation)) continue;
      const wanted = register.wantedBy(operation);
      if (wanted === UNWANTED) this.#candidates.push(operation);
      else if (wanted === this.#state) return operation;
      else {
        const asking = this.#asking[wanted] ?? 0;
        if (asking === 0) this.#asked.push(wanted);
        this.#asking[wanted] = asking + 1;
      }
    }
    this.#sortByReturn(from);
    this.#pushOptional(node);
    if (register.readsLeft(this.#state) > 0) return NOTHING;
    for (let i = from; i < this.#candidates.length; i++) {
      const operation = this.#candidates[i] ?? 0;
      const leaves = register.leaves[operation] ?? UNWANTED;
      const reads = register.readsLeft(leaves);
      const areCandidates = reads === (leaves === UNWANTED ? 0 : this.#asking[leaves] ?? 0);
      if (areCandidates && (reads > 0 || operation < this.#problem.definite)) return operation;
    }
    return NOTHING;
  }

  /** Those that must be placed soonest come first: that is where a wrong choice shows soonest too. */
  #sortByReturn(from: number): void {
    const { returnAt } = this.#problem;
    const candidates = this.#candidates;
    for (let i = from + 1; i < candidates.length; i++) {
      const operation = candidates[i] ?? 0;
      let at = i;
      for (; at > from; at--) {
        const other = candidates[at - 1] ?? 0;
        if ((returnAt[other] ?? 0) <= (returnAt[operation] ?? 0)) break;
        candidates[at] = other;
      }
      candidates[at] = operation;
    }
  }

  /** Optional operations called before that return, which stands at a place of the list. */
  #pushOptional(returning: number): void {
    const { definite, callAt, returnAt } = this.#problem;
    const before = returnAt[(returning >>> 1) - 1] ?? 0;
    for (let node = this.#nextOptional[0] ?? 0; node !== 0; node = this.#nextOptional[node] ?? 0) {
      const operation = definite + node - 1;
      if ((callAt[operation] ?? 0) > before) return;
      if (this.#isReady(operation)) this.#candidates.push(operation);
    }
  }

  #isReady(operation: number): boolean {
    const predecessor = this.#problem.predecessor[operation] ?? -1;
    return predecessor < 0 || this.#isPlaced(predecessor);
  }

  /** Rules 2 and 3, for an operation that was just placed. */
  #isHopeless(operation: number, before: number): boolean {
    if (this.#states.isHopeless(operation, before, this.#state)) return true;
    return operation >= this.#problem.definite && !this.#isUseful();
  }

  /** Whether the state that an optional operation left serves anybody. */
  #isUseful(): boolean {
    if (this.#changersLeft > 0) return true;
    for (let node = this.#next[0] ?? 0; node % 2 === 1; node = this.#next[node] ?? 0) {
      const operation = node >>> 1;
      if (this.#problem.steps[operation]?.isBlind === true || !this.#isReady(operation)) continue;
      if (this.#states.after(operation, this.#state) !== IMPOSSIBLE_STATE) return true;
    }
    return false;
  }

  /* ---- placing and taking back ---- */

  #place(operation: number, after: number): void {
    this.#trail[this.#depth] = operation;
    this.#found[this.#depth] = this.#state;
    this.#depth++;
    this.#state = after;
    this.#flip(operation);
    this.#states.took(operation);
    const { definite, steps } = this.#problem;
    if (operation < definite) {
      this.#definiteLeft--;
      unlink(this.#next, this.#previous, 2 * operation + 1);
      unlink(this.#next, this.#previous, 2 * operation + 2);
    } else {
      if (steps[operation]?.isBlind !== true) this.#changersLeft--;
      unlink(this.#nextOptional, this.#previousOptional, operation - definite + 1);
    }
  }

  #takeBack(): void {
    this.#depth--;
    const operation = this.#trail[this.#depth] ?? 0;
    this.#state = this.#found[this.#depth] ?? 0;
    this.#flip(operation);
    this.#states.undid(operation);
    const { definite, steps } = this.#problem;
    if (operation < definite) {
      this.#definiteLeft++;
      relink(this.#next, this.#previous, 2 * operation + 2);
      relink(this.#next, this.#previous, 2 * operation + 1);
    } else {
      if (steps[operation]?.isBlind !== true) this.#changersLeft++;
      relink(this.#nextOptional, this.#previousOptional, operation - definite + 1);
    }
  }

  #flip(operation: number): void {
    const bit = this.#bitOf[operation] ?? 0;
    this.#placed[bit >>> 5] = (this.#placed[bit >>> 5] ?? 0) ^ (1 << (bit & 31));
  }

  #isPlaced(operation: number): boolean {
    const bit = this.#bitOf[operation] ?? 0;
    return ((this.#placed[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  /**
   * Writes down the set and the state; gives how many words that takes.
   *
   * Definite operations go by the order of their calls. All before the first that is not placed are placed, and none is whose call stands behind
   * the first return; so the words in between say it all, and both bounds follow from the set.
   */
  #writeKey(): number {
    const { callAt, returnAt, definite } = this.#problem;
    let node = this.#next[0] ?? 0;
    const first = node >>> 1;
    let last = first;
    for (; node % 2 === 1; node = this.#next[node] ?? 0) last = node >>> 1;
    const before = returnAt[(node >>> 1) - 1] ?? 0;
    while (last + 1 < definite && (callAt[last + 1] ?? 0) < before) last++;
    let length = 0;
    this.#key[length++] = this.#states.remembered(this.#state);
    this.#key[length++] = first >>> 5;
    for (let word = first >>> 5; word <= last >>> 5; word++) this.#key[length++] = this.#placed[word] ?? 0;
    for (let word = this.#optionalWord; word < this.#placed.length; word++) {
      this.#key[length++] = this.#placed[word] ?? 0;
    }
    return length;
  }

  /** Puts all calls and returns of definite operations into one list. */
  #linkDefinite(): void {
    const { byReturn, callAt, returnAt, definite } = this.#problem;
    let at = 0;
    let call = 0;
    for (const operation of byReturn) {
      while (call < definite && (callAt[call] ?? 0) < (returnAt[operation] ?? 0)) {
        at = this.#linkAfter(at, 2 * call++ + 1);
      }
      at = this.#linkAfter(at, 2 * operation + 2);
    }
    this.#linkAfter(at, 0);
  }

  #linkAfter(at: number, node: number): number {
    this.#next[at] = node;
    this.#previous[node] = at;
    return node;
  }

  /**
   * The same for calls of optional operations; gives how many there are. A write to a register that no read wants is left out: by rule 3 it
   * would never be tried.
   */
  #linkOptional(): number {
    const { definite, steps } = this.#problem;
    let count = 0;
    let at = 0;
    for (let operation = definite; operation < steps.length; operation++) {
      if (this.#register !== null && this.#register.leaves[operation] === UNWANTED) continue;
      const node = operation - definite + 1;
      this.#nextOptional[at] = node;
      this.#previousOptional[node] = at;
      at = node;
      this.#bitOf[operation] = 32 * this.#optionalWord + count++;
      if (steps[operation]?.isBlind !== true) this.#changersLeft++;
    }
    this.#nextOptional[at] = 0;
    this.#previousOptional[0] = at;
    return count;
  }
}

function unlink(next: Int32Array, previous: Int32Array, node: number): void {
  const [before, after] = [previous[node] ?? 0, next[node] ?? 0];
  next[before] = after;
  previous[after] = before;
}

/** Takes {@link unlink} back; in the opposite order. */
function relink(next: Int32Array, previous: Int32Array, node: number): void {
  next[previous[node] ?? 0] = node;
  previous[next[node] ?? 0] = node;
}
