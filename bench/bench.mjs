/**
 * What Keelson costs and what it bears, measured on this machine; docs/performance.md tells what it means.
 *
 *   npm run bench                  a session, over a shell loop that does the same
 *   npm run bench -- api           the API
 *   npm run bench -- components    components: lists, PATCHes, reports, a boot storm
 *   npm run bench -- images        a customized image, over a shell script that does the same; as root
 *   npm run bench -- kubernetes    on the cluster of KUBECONFIG, whose node is this machine
 *   npm run bench:load             what it bears, what that costs, and more than can be borne
 *   --json                         the numbers, for a program
 *   --rounds <n>                   sessions, images: how often session and shell loop alternate (default 7)
 *   --more <megabytes>             images: an image with so much more of the files below /usr (default 0)
 *   --database sqlite|postgres     api, components, load: only this one
 *   --part <name>                  load: only this one (see load/bench-load.mjs); kubernetes: sessions or watching
 *   --scale <part>                 api, components, kubernetes, load: a part of the requests and records, for a look at the bench itself (default 1)
 */
import { parseArgs } from 'node:util';
import { benchApi } from './api/bench-api.mjs';
import { benchComponents } from './components/bench-components.mjs';
import { benchImages } from './images.mjs';
import { benchKubernetes } from './kubernetes.mjs';
import { benchLoad } from './load/bench-load.mjs';
import { benchSessions } from './sessions.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    more: { type: 'string', default: '0' },
    database: { type: 'string' },
    part: { type: 'string' },
    scale: { type: 'string', default: '1' },
  },
});
const [what = 'sessions', ...rest] = positionals;
const KINDS = ['api', 'components', 'images', 'kubernetes', 'load', 'sessions'];
if (!KINDS.includes(what) || rest.length > 0) {
  throw new Error(`${positionals.join(' ')}: none of ${KINDS.join(', ')}.`);
}
const interrupt = new AbortController();
for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.on(name, () => interrupt.abort(new Error(`${name}.`)));
}
const { json, database, part } = values;
const scale = Number(values.scale);
if (what === 'api') {
  await benchApi({ json, scale, database }, interrupt.signal);
} else if (what === 'components') {
  await benchComponents({ json, scale, database }, interrupt.signal);
} else if (what === 'images') {
  await benchImages(
    { json, rounds: Number(values.rounds), more: Number(values.more) },
    interrupt.signal,
  );
} else if (what === 'kubernetes') {
  await benchKubernetes({ json, scale, part }, interrupt.signal);
} else if (what === 'load') {
  await benchLoad({ json, scale, database, part }, interrupt.signal);
} else {
  await benchSessions({ json, rounds: Number(values.rounds) }, interrupt.signal);
}
