/** Measures on this machine what Keelson costs and how much it can take; docs/performance.md explains the figures. */
import { benchApi } from './api/bench-api.mjs';
import { benchComponents } from './components/bench-components.mjs';
import { benchImages } from './images.mjs';
import { benchKubernetes } from './kubernetes.mjs';
import { benchLoad } from './load/bench-load.mjs';
import { benchSessions } from './sessions.mjs';
import { readArguments } from '../scripts/lib/options.mjs';

const USAGE = `npm run bench [-- part] [options]

  sessions             a session, compared with a shell loop that does the same (default)
  api                  the API
  components           components: lists, PATCHes, reports, a boot storm
  images               customizing an image, compared with a shell script that does the same; needs root
  kubernetes           sessions on the cluster of KUBECONFIG, whose node must be this machine
  load                 how much it can take, what that costs, and what happens beyond (npm run bench:load)

  --json               print JSON (with npm run -s)
  --rounds N           sessions, images: number of rounds (default 7)
  --more MEGABYTES     images: enlarge the image with files below /usr (default 0)
  --database NAME      api, components, load: only sqlite or postgres
  --part NAME          load: only this part, see docs/performance.md; kubernetes: sessions or watching
  --scale FRACTION     api, components, kubernetes, load: fraction of the requests and records (default 1)`;

const { values, positionals } = readArguments(USAGE, {
  json: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '7' },
  more: { type: 'string', default: '0' },
  database: { type: 'string' },
  part: { type: 'string' },
  scale: { type: 'string', default: '1' },
});
const [what = 'sessions', ...rest] = positionals;
const KINDS = ['api', 'components', 'images', 'kubernetes', 'load', 'sessions'];
if (!KINDS.includes(what) || rest.length > 0) {
  console.error(`${positionals.join(' ')}: unknown part. The parts are ${KINDS.join(', ')}.`);
  process.exit(1);
}
const interrupt = new AbortController();
for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.on(name, () => interrupt.abort(new Error(`${name}.`)));
}
process.stdout.on('error', () => interrupt.abort(new Error('Nobody reads the output any more.')));
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
