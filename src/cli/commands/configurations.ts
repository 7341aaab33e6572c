import { Document, isScalar, parse, visit } from 'yaml';
import { UsageError, type Command } from '../command.js';
import { readGiven } from '../input.js';
import { printJson, printLines, renderTable, toPlain } from '../output.js';
import { readPages } from '../pages.js';
import { EXIT } from '../report.js';
import type { Configuration, Configurations } from '../wire.js';

export const configurations: Command = {
  summary: 'list the configurations, or show one of them',
  names: ['[NAME]'],
  options: {},
  notes: `With NAME, prints a file that configure accepts; the commit of a branch is a comment.`,
  async run({ api, names: [name], isJson }) {
    if (name !== undefined) {
      const configuration = await api.ask<Configuration>('GET', toPath(name));
      const shown = render(configuration);
      // Unchanged in a file or pipe, so that `configure` can send it back.
      const lines = [process.stdout.isTTY ? toPlain(shown) : shown];
      await (isJson ? printJson(configuration) : printLines(lines));
      return EXIT.well;
    }
    const all: Configuration[] = [];
    for await (const page of readPages<Configurations>(api, '/v3/configurations'))
      all.push(...page.configurations);
    await (isJson ? printJson(all) : printLines(renderConfigurations(all)));
    return EXIT.well;
  },
};

export const configure: Command = {
  summary: 'create or replace a configuration',
  names: ['NAME', 'FILE'],
  options: {},
  notes: `FILE is the body of PUT /v3/configurations/NAME, in JSON or YAML; - means standard input:

  layers:
    - { name: base, clone_url: https://git.example.org/base.git, branch: main, playbook: site.yml }`,
  async run({ api, names: [name = '', file = ''], isJson, signal }) {
    const given = await readGiven(file, signal);
    // It may be the output of `configurations`, with members that the API refuses in requests.
    const body: unknown = parse(given);
    if (typeof body !== 'object' || body === null)
      throw new UsageError(`${file} does not hold an object with layers.`);
    const put = { ...body, name: undefined, last_updated: undefined };
    const configuration = await api.ask<Configuration>('PUT', toPath(name), put);
    if (isJson) await printJson(configuration);
    else
      await printLines([
        `Configuration ${name}:`,
        ...renderLayers(configuration).map((line) => `  ${line}`),
        `  keelson run ${name} --follow`,
      ]);
    return EXIT.well;
  },
};

/** Renders a file that can be sent back: the commit of a branch becomes a comment, because requests may not have both. */
function render(configuration: Configuration): string {
  const document = new Document(configuration);
  visit(document, {
    Map: (_, map) => {
      const [branch, commit] = [map.get('branch', true), map.get('commit', true)];
      if (!isScalar(branch) || !isScalar(commit)) return;
      branch.comment = ` at ${String(commit.value)}`;
      map.delete('commit');
    },
  });
  return document.toString().trimEnd();
}

function renderConfigurations(all: readonly Configuration[]): readonly string[] {
  if (all.length === 0) return ['No configurations. Create one: keelson configure NAME FILE'];
  return renderTable(
    ['configuration', 'layers', 'updated'],
    all.map(({ name, layers, last_updated: updated }) => [name, layers.length, updated]),
  );
}

function renderLayers({ layers }: Configuration): readonly string[] {
  return renderTable(
    ['layer', 'repository', 'commit', 'playbook'],
    layers.map(({ name, clone_url: url, source, commit, playbook }, index) => [
      ...[name ?? String(index), url ?? source ?? '', commit?.slice(0, 12) ?? '', playbook ?? ''],
    ]),
  );
}

function toPath(name: string): string {
  return `/v3/configurations/${encodeURIComponent(name)}`;
}
