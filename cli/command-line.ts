/** The commands and their flags. Each command's code is loaded when it is asked for, so that `nereid --help` is instant. */
import { Command } from "commander";
import { flagOf, type SettingsSource, type SettingsTable, type SettingText, settingText } from "../core/settings.ts";
import { withoutPerfAnalyzerFlags } from "./bench/perf-analyzer-flags.ts";
import { BENCH_SETTINGS } from "./bench/settings-table.ts";
import { endProcess } from "./exit.ts";
import type { ValidateOptions } from "./models.ts";
import { sectionsOf } from "./settings/settings-sections.ts";
import {
  AGENT_SETTINGS,
  CHAT_SETTINGS,
  DRAIN_SETTINGS,
  GATEWAY_SETTINGS,
  KEY_SETTINGS,
  PARTITION_SETTINGS,
  PULL_SETTINGS,
  STATUS_SETTINGS,
  UP_SETTINGS,
} from "./settings/settings-tables.ts";
import { withoutTritonFlags } from "./settings/triton-flags.ts";

type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Never rejects: what a command throws becomes one line and an exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = new Command("nereid")
    .description("A distributed model server: language models cut over nodes, behind OpenAI's and Triton's protocols.")
    .option("--verbose", "show the stack trace of an unexpected error", false)
    .showHelpAfterError("(nereid --help lists the commands)");

  withSections(program.command("up"), UP_SETTINGS)
    .description("run a gateway and node agents in this process, with a model cut over them")
    .action(async (options: Options) => (await import("./up.ts")).up(settingsSource(options)));

  withSections(program.command("gateway"), GATEWAY_SETTINGS)
    .description("run a gateway of a cluster that meets over NATS")
    .action(async (options: Options) => (await import("./gateway.ts")).gateway(settingsSource(options)));

  withSections(program.command("agent"), AGENT_SETTINGS)
    .description("run this machine's agent of a cluster that meets over NATS")
    .action(async (options: Options) => (await import("./agent.ts")).agent(settingsSource(options)));

  withSettings(program.command("status"), STATUS_SETTINGS)
    .description("show a cluster's nodes and models")
    .action(async (options: Options) => (await import("./status.ts")).status(settingsSource(options)));

  withSettings(program.command("drain"), DRAIN_SETTINGS)
    .argument("<node>", "a node of the cluster")
    .description("move what is on a node to the others and keep it empty, before it is stopped; --undo takes it back")
    .action(async (node: string, options: Options) => (await import("./drain.ts")).drain(node, settingsSource(options)));

  withSettings(program.command("pull"), PULL_SETTINGS)
    .argument("<model>", "a known model's name, or a .gguf file with --name")
    .description("put a model into the cache")
    .action(async (model: string, options: Options) => (await import("./pull.ts")).pull(model, settingsSource(options)));

  withSettings(program.command("chat"), CHAT_SETTINGS)
    .description("talk to a running server; reads one prompt when the input is no terminal")
    .action(async (options: Options) => (await import("./chat.ts")).chat(settingsSource(options)));

  withSettings(program.command("key"), KEY_SETTINGS)
    .argument("<tenant>", "whose key it is")
    .description("make an API key, and the line that lets it in")
    .action(async (tenant: string, options: Options) => (await import("./key.ts")).key(tenant, settingsSource(options)));

  withSettings(program.command("partition"), PARTITION_SETTINGS)
    .argument("<model>", "a model in the repository")
    .description("cut a model's shards ahead of time")
    .action(async (model: string, options: Options) => (await import("./partition.ts")).partition(model, settingsSource(options)));

  withSettings(program.command("bench"), BENCH_SETTINGS)
    .description("load a running server with requests and measure it, as Perf Analyzer does")
    .action(async (options: Options) => (await import("./bench.ts")).bench(settingsSource(options)));

  program
    .command("models")
    .description("look at model folders")
    .command("validate")
    .argument("<folders...>", "folders of models, or repositories of them")
    .option("--open", "open ONNX models and warm them up, as a load does")
    .option("--json", "for programs: an array with a report for each model")
    .description("check configurations and the files of models; shows what is filled in, what has no effect and what is wrong")
    .action(async (folders: readonly string[], options: ValidateOptions) =>
      (await import("./models.ts")).validateModels(folders, process.stdout, options),
    );

  try {
    const { argv: words, ignored } = withoutPerfAnalyzerFlags(withoutTritonFlags(argv));
    for (const flag of ignored) process.stderr.write(`${flag} changes nothing here\n`);
    await program.parseAsync(withPlainSwitches(words));
  } catch (thrown) {
    endProcess(thrown, { verbose: program.opts<{ verbose: boolean }>().verbose });
  }
}

/** `--allow-http=false` and `--allow-http false`, as Triton takes them, become `--no-allow-http`: commander's switches have no values. */
function withPlainSwitches(argv: readonly string[]): readonly string[] {
  const tables: readonly SettingsTable[] = [
    UP_SETTINGS,
    GATEWAY_SETTINGS,
    AGENT_SETTINGS,
    PULL_SETTINGS,
    CHAT_SETTINGS,
    DRAIN_SETTINGS,
    PARTITION_SETTINGS,
    BENCH_SETTINGS,
  ];
  const rows = tables.flatMap((table) => Object.entries(table));
  const switches = new Set(
    rows.flatMap(([name, { kind, aliases = [] }]) => (kind.isSwitch === true ? [name, ...aliases].map(flagOf) : [])),
  );
  const plain: string[] = [];
  for (const word of argv.flatMap((given) => (switches.has(given.split("=")[0] ?? "") ? given.split("=") : [given]))) {
    const before = plain.at(-1) ?? "";
    if (!switches.has(before) || (word !== "true" && word !== "false")) plain.push(word);
    else if (word === "false") plain.splice(-1, 1, `--no-${before.slice(2)}`);
  }
  return plain;
}

/** commander finds the flags and knows no defaults; core/settings.ts checks their values, after the environment's. */
function withSections(command: Command, table: SettingsTable): Command {
  for (const section of sectionsOf(table)) withSettings(command.optionsGroup(`${section.title}:`), section.table);
  return command;
}

function withSettings(command: Command, table: SettingsTable): Command {
  for (const [name, row] of Object.entries(table)) {
    const { kind, short, aliases = [] } = row;
    const text = helpOf(settingText(name, row));
    for (const known of [name, ...aliases]) {
      const names = short === undefined || known !== name ? flagOf(known) : `-${short}, ${flagOf(name)}`;
      const flag = kind.isSwitch === true ? names : `${names} <value>`;
      const option = command
        .createOption(flag, text)
        .argParser((value: string, before: unknown) => (kind.repeats && typeof before === "string" ? `${before};${value}` : value));
      command.addOption(known === name ? option : option.hideHelp());
      if (kind.isSwitch === true) command.addOption(command.createOption(`--no-${flagOf(known).slice(2)}`).hideHelp());
    }
  }
  return command;
}

const helpOf = ({ help, allowed, fallback, environment }: SettingText): string =>
  `${help} (${[allowed, ...(fallback === "" ? [] : [`default ${fallback}`]), environment].join("; ")})`;

function settingsSource(options: Options): SettingsSource {
  const flags = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`${flagOf(name)}=${value}`]));
  return { flags, environment: process.env };
}
