/** The commands and their flags. Each command's code is loaded when it is asked for, so that `nereid --help` is instant. */
import { Command } from "commander";
import { environmentOf, flagOf, type SettingsSource, type SettingsTable } from "../core/settings.ts";
import { endProcess } from "./exit.ts";
import { CHAT_SETTINGS, PARTITION_SETTINGS, PULL_SETTINGS, UP_SETTINGS } from "./settings-tables.ts";

type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Never rejects: what a command throws becomes one line and an exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = new Command("nereid")
    .description("A distributed model server: language models cut over nodes, behind OpenAI's and Triton's protocols.")
    .option("--verbose", "show the stack trace of an unexpected error", false)
    .showHelpAfterError("(nereid --help lists the commands)");

  withSettings(program.command("up"), UP_SETTINGS)
    .description("run a gateway and node agents in this process, with a model cut over them")
    .action(async (options: Options) => (await import("./up.ts")).up(settingsSource(options)));

  withSettings(program.command("pull"), PULL_SETTINGS)
    .argument("<model>", "a known model's name, or a .gguf file with --name")
    .description("put a model into the cache")
    .action(async (model: string, options: Options) => (await import("./pull.ts")).pull(model, settingsSource(options)));

  withSettings(program.command("chat"), CHAT_SETTINGS)
    .description("talk to a running server; reads one prompt when the input is no terminal")
    .action(async (options: Options) => (await import("./chat.ts")).chat(settingsSource(options)));

  withSettings(program.command("partition"), PARTITION_SETTINGS)
    .argument("<model>", "a model in the repository")
    .description("cut a model's shards ahead of time")
    .action(async (model: string, options: Options) => (await import("./partition.ts")).partition(model, settingsSource(options)));

  program
    .command("models")
    .description("look at model folders")
    .command("validate")
    .argument("<folders...>", "folders of models, as they lie in a repository")
    .description("check configurations, also against ONNX files; shows what is filled in and what is wrong")
    .action(async (folders: readonly string[]) => (await import("./models.ts")).validateModels(folders, process.stdout));

  try {
    await program.parseAsync(argv);
  } catch (thrown) {
    endProcess(thrown, { verbose: program.opts<{ verbose: boolean }>().verbose });
  }
}

/** commander finds the flags and knows no defaults; core/settings.ts checks their values, after the environment's. */
function withSettings(command: Command, table: SettingsTable): Command {
  for (const [name, { kind, fallback, fallbackText, help }] of Object.entries(table)) {
    const flag = kind.isSwitch === true ? flagOf(name) : `${flagOf(name)} <value>`;
    command.option(flag, `${help} (${kind.allowed}; default ${fallbackText ?? String(fallback)}; ${environmentOf(name)})`);
  }
  return command;
}

function settingsSource(options: Options): SettingsSource {
  const flags = Object.entries(options).flatMap(([name, value]) =>
    typeof value === "string" ? [`${flagOf(name)}=${value}`] : value === true ? [flagOf(name)] : [],
  );
  return { flags, environment: process.env };
}
