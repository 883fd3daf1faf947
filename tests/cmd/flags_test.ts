/**
 * Kind: unit (tables).
 *
 * Invariant: an option that is not declared, a value that cannot be read, an option given twice and a word too many are each refused with one
 * line that names them, and code 64; nothing is guessed.
 *
 * Learnt: the parser below turns words that look like numbers into numbers; a value has to stay the text that was typed (`007`, `1e3`).
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type CommandLine, Flags, helpOf, parseAddress, readFlags, showAddress } from "../../cmd/flags.ts";
import { ExitCode, Refusal } from "../../internal/base/errors.ts";

const COMMAND: CommandLine = {
  name: "test",
  summary: "try things",
  usage: "[options]",
  flags: [
    { name: "name", value: "TEXT", help: "what it is called", default: "none" },
    { name: "count", value: "N", help: "how many" },
    { name: "address", value: "HOST:PORT", help: "where" },
    { name: "loud", value: null, help: "say more" },
    { name: "very-loud", value: null, help: "say much more" },
  ],
  examples: ["raftline test --loud"],
  takesWords: false,
};
const WITH_WORDS: CommandLine = { ...COMMAND, takesWords: true };
const WITH_OPERAND: CommandLine = { ...COMMAND, usage: "[options] FILE", takesWords: [1, 1] };

function refusal(run: () => unknown): string {
  const refused = assertThrows(run, Refusal);
  assertEquals(refused.exitCode, ExitCode.usage);
  assertEquals(/[\r\n]/.test(refused.message), false);
  assertStringIncludes(refused.message, "raftline test --help");
  return refused.message.split(";")[0] ?? "";
}

/** Arguments between blanks; `''` is an empty one. */
const split = (line: string) => line === "" ? [] : line.split(" ").map((word) => word === "''" ? "" : word);

const READ: readonly (readonly [line: string, name: string | null, on: readonly string[]])[] = [
  ["", null, []],
  ["--name a", "a", []],
  ["--name=a", "a", []],
  ["--name=a=b", "a=b", []],
  ["--name=a,b;c", "a,b;c", []],
  ["--name 007", "007", []],
  ["--name 1e3", "1e3", []],
  ["--name 0x10", "0x10", []],
  ["--name true", "true", []],
  ["--name false", "false", []],
  ["--name=-5", "-5", []],
  ["--name=--loud", "--loud", []],
  ["--loud", null, ["loud"]],
  ["--loud --very-loud", null, ["loud", "very-loud"]],
  ["--loud --name a --very-loud", "a", ["loud", "very-loud"]],
  ["--loud=false", null, []],
  ["--loud=true", null, ["loud"]],
];

for (const [line, name, on] of READ) {
  Deno.test(`"${line}" is read`, () => {
    const flags = readFlags(COMMAND, split(line));
    assertEquals([flags.text("name"), flags.has("name")], [name, name !== null]);
    assertEquals(["loud", "very-loud"].filter((flag) => flags.has(flag)), [...on]);
    assertEquals([flags.words, flags.has("count"), flags.text("count")], [[], false, null]);
  });
}

const REFUSED: readonly (readonly [line: string, reason: string])[] = [
  ["--nam a", "unknown option --nam for test, did you mean --name?"],
  ["--nmae=a", "unknown option --nmae for test, did you mean --name?"],
  ["--Name a", "unknown option --Name for test, did you mean --name?"],
  ["--conut 3", "unknown option --conut for test, did you mean --count?"],
  ["--verylong", "unknown option --verylong for test"],
  ["--somethingelse=1", "unknown option --somethingelse for test"],
  ["--no-loud", "unknown option --no-loud for test"],
  ["-x", "unknown option -x for test"],
  ["-5", "unknown option -5 for test"],
  ["--constructor 1", "unknown option --constructor for test"],
  ["--__proto__ 1", "unknown option --__proto__ for test"],
  ["--name.x 1", "unknown option --name.x for test, did you mean --name?"],
  ["--name", "--name lacks its value"],
  ["--name=", "--name lacks its value"],
  ["--name --loud", "--name lacks its value"],
  ["--name a --name b", "--name is given 2 times"],
  ["--name a --name a --name=a", "--name is given 3 times"],
  ["word", "test takes no word word"],
  ["--loud word", "test takes no word word"],
  ["-- word", "test takes no word word"],
  ["-", "test takes no word -"],
  ["''", "test takes no word that is empty"],
  ["--loud=banana", "--loud takes no value, but banana is given"],
  ["--loud=1", "--loud takes no value, but 1 is given"],
  ["--loud=", "--loud takes no value, but an empty one is given"],
  ["--loud=True", "--loud takes no value, but True is given"],
  ["--loud true", "test takes no word true"],
  ["--name ''", "--name lacks its value"],
  ["--name '' --loud", "--name lacks its value"],
  ["--name -- a", "--name lacks its value"],
  ["--name -5", "unknown option -5 for test"],
];

for (const [line, reason] of REFUSED) {
  Deno.test(`"${line}" is refused: ${reason}`, () => {
    assertEquals(refusal(() => readFlags(COMMAND, split(line))), reason);
  });
}

const NUMBERS: readonly (readonly [text: string, value: number | null])[] = [
  ["1", 1],
  ["100", 100],
  ["007", 7],
  ["0", null],
  ["101", null],
  ["-1", null],
  ["+5", null],
  ["1.5", null],
  ["1e1", null],
  ["0x10", null],
  ["ten", null],
  ["5ms", null],
  ["9999999999999999999999", null],
];

for (const [text, value] of NUMBERS) {
  Deno.test(`${text} is ${value === null ? "no" : "a"} whole number from 1 to 100`, () => {
    const flags = readFlags(COMMAND, [`--count=${text}`]);
    const read = () => flags.integer("count", 42, 1, 100);
    if (value === null) {
      assertEquals(refusal(read), `--count is ${text}, it must be a whole number from 1 to 100`);
    } else assertEquals(read(), value);
  });
}

Deno.test("what was not given is what the command says", () => {
  const flags = readFlags(COMMAND, []);
  const address = { host: "h", port: 1 };
  assertEquals(flags.integer("count", 42, 1, 10), 42);
  assertEquals(flags.choice("name", "b", ["a", "b"]), "b");
  assertEquals([flags.address("address", address), flags.addresses("address", [address])], [address, [
    address,
  ]]);
});

Deno.test("a word is one of a few, in their own case", () => {
  assertEquals(readFlags(COMMAND, ["--name", "b"]).choice("name", "a", ["a", "b"]), "b");
  for (const word of ["c", "B", "a,b"]) {
    assertEquals(
      refusal(() => readFlags(COMMAND, ["--name", word]).choice("name", "a", ["a", "b"])),
      `--name is ${word}, it must be one of a, b`,
    );
  }
});

const ADDRESSES: readonly (readonly [text: string, host: string | null, port?: number])[] = [
  ["127.0.0.1:7001", "127.0.0.1", 7001],
  ["localhost:1", "localhost", 1],
  ["db-1.example.org:65535", "db-1.example.org", 65_535],
  ["h:0", "h", 0],
  ["h:00080", "h", 80],
  ["[::1]:7001", "::1", 7001],
  ["[fe80::1:2]:80", "fe80::1:2", 80],
  ["[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", 80],
  ["h:65536", null],
  ["h:99999", null],
  ["h:100000", null],
  ["h:", null],
  [":7001", null],
  ["7001", null],
  ["h", null],
  ["h:-1", null],
  ["h:1x", null],
  ["h:1 ", null],
  ["a b:1", null],
  ["::1:7001", null],
  ["[]:1", null],
  ["[::1]", null],
  ["[name]:1", null],
  ["h:1:2", null],
  ["", null],
];

for (const [text, host, port] of ADDRESSES) {
  Deno.test(`"${text}" is ${host === null ? "no" : "an"} address`, () => {
    const address = parseAddress(text);
    assertEquals(address, host === null ? null : { host, port: port ?? 0 });
    if (address === null) {
      if (text === "") return;
      const flags = readFlags(COMMAND, [`--address=${text}`]);
      assertEquals(
        refusal(() => flags.address("address", { host: "h", port: 1 })),
        `--address is ${text}, it must be HOST:PORT`,
      );
    } else assertEquals(parseAddress(showAddress(address)), address);
  });
}

Deno.test("several addresses are read in order, and a bad one among them is named", () => {
  const read = (text: string) => readFlags(COMMAND, [`--address=${text}`]).addresses("address", []);
  assertEquals(read("a:1,[::1]:2,b:3"), [
    { host: "a", port: 1 },
    { host: "::1", port: 2 },
    { host: "b", port: 3 },
  ]);
  for (
    const [text, bad] of [["a:1,", "an empty word"], [",a:1", "an empty word"], ["a:1,b,c:3", "b"]] as const
  ) {
    assertEquals(refusal(() => read(text)), `--address has ${bad}, it must be HOST:PORT,HOST:PORT,...`);
  }
});

Deno.test("words begin where the options end, and are theirs whatever they look like", () => {
  const cases: readonly (readonly [line: string, words: readonly string[], name: string | null])[] = [
    ["", [], null],
    ["GET k", ["GET", "k"], null],
    ["--name a GET k", ["GET", "k"], "a"],
    ["--loud GET k", ["GET", "k"], null],
    ["SET k --name b", ["SET", "k", "--name", "b"], null],
    ["SET k -5 --unknown", ["SET", "k", "-5", "--unknown"], null],
    ["SET k 007 1e3 0x10 ''", ["SET", "k", "007", "1e3", "0x10", ""], null],
    ["--name a -- --name b", ["--name", "b"], "a"],
    ["- x", ["-", "x"], null],
  ];
  for (const [line, words, name] of cases) {
    const flags = readFlags(WITH_WORDS, split(line));
    assertEquals([flags.words, flags.text("name")], [[...words], name], line);
  }
  assertEquals(
    refusal(() => readFlags(WITH_WORDS, ["--nam", "a", "GET"])).startsWith("unknown option"),
    true,
  );
});

Deno.test("the first `--` ends the options and is no word; every other one is", () => {
  const cases: readonly (readonly [line: string, words: readonly string[], name: string | null])[] = [
    ["SET k -- v", ["SET", "k", "--", "v"], null],
    ["SET k --", ["SET", "k", "--"], null],
    ["-- SET k -- v", ["SET", "k", "--", "v"], null],
    ["--name a -- -- v", ["--", "v"], "a"],
    ["-- --", ["--"], null],
    ["--", [], null],
    ["--name=-- SET k", ["SET", "k"], "--"],
    ["'' x", ["", "x"], null],
  ];
  for (const [line, words, name] of cases) {
    const flags = readFlags(WITH_WORDS, split(line));
    assertEquals([flags.words, flags.text("name")], [[...words], name], line);
  }
});

Deno.test("a refusal says where help is", () => {
  const flags = new Flags("test", new Map(), new Set(), []);
  const refused = flags.refuse("it is so");
  assertEquals([refused.exitCode, refused.message], [64, "it is so; raftline test --help lists the options"]);
});

Deno.test("the help shows every option with its default, in columns", () => {
  assertEquals(
    helpOf(COMMAND),
    [
      "raftline test: try things",
      "",
      "usage: raftline test [options]",
      "",
      "options:",
      "  --name TEXT          what it is called (default none)",
      "  --count N            how many",
      "  --address HOST:PORT  where",
      "  --loud               say more",
      "  --very-loud          say much more",
      "",
      "examples:",
      "  raftline test --loud",
      "",
    ].join("\n"),
  );
  const bare = helpOf({ ...COMMAND, usage: "", flags: [], examples: [] });
  assert(!bare.includes("options:") && !bare.includes("examples:"));
  assertStringIncludes(bare, "usage: raftline test\n");
});

Deno.test("an operand stands anywhere among the options, stays as it was typed, and is needed once", () => {
  for (
    const line of [
      "007 --loud --name a",
      "--loud 007 --name a",
      "--loud --name a 007",
      "--loud --name a -- 007",
    ]
  ) {
    const flags = readFlags(WITH_OPERAND, split(line));
    assertEquals([flags.words, flags.text("name"), flags.has("loud")], [["007"], "a", true], line);
  }
  assertEquals(readFlags(WITH_OPERAND, ["-"]).words, ["-"]);
  assertEquals(
    refusal(() => readFlags(WITH_OPERAND, ["--loud"])),
    "test is used as: raftline test [options] FILE",
  );
  assertEquals(refusal(() => readFlags(WITH_OPERAND, ["a", "b"])), "test takes no word b");
});
