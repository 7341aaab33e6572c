import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';

interface Measured {
  readonly hosts: number;
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly peakBytes: number;
}

// In a process of its own, so that its peak memory is the renderer's. Node runs the TypeScript directly.
const program = `
  const { renderDynamicInventory } = await import(process.argv[1]);
  const ids = Array.from({ length: 100_000 }, (_, index) =>
    \`x\${1000 + Math.floor(index / 512)}c\${index % 8}s\${Math.floor(index / 8) % 64}b0n\${index}\`);
  const groups = Array.from({ length: 200 }, (_, group) => ({
    label: \`group\${group}\`, members: ids.filter((_, index) => index % 200 === group) }));
  const components = ids.map((id, index) => ({
    id, role: index % 50 === 0 ? 'Application' : 'Compute', subRole: index % 50 === 0 ? 'UAN' : '' }));
  const begin = process.cpuUsage();
  const { text, hosts } = renderDynamicInventory({ groups, partitions: [], components });
  const { user, system } = process.cpuUsage(begin);
  const seconds = (user + system) / 1e6;
  console.log(JSON.stringify({ hosts, sizeBytes: text.length, seconds,
    peakBytes: process.resourceUsage().maxRSS * 1024 }));
`;

describe('renderDynamicInventory of 100,000 hosts in 200 groups, with roles', () => {
  // Takes about a second. Anything that grew with the square of the hosts would take minutes.
  test('takes less than 10 s of processor time and 500 MB', async () => {
    const module = new URL('../../src/core/inventory.ts', import.meta.url).href;
    const argv = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];

    const { stdout } = await promisify(execFile)(process.execPath, [...argv, module]);

    const measured = JSON.parse(stdout) as Measured;
    expect(measured.hosts).toBe(100_000);
    expect(measured.seconds).toBeLessThan(10);
    expect(measured.peakBytes).toBeLessThan(500_000_000);
    if (process.env['SHOW_MEASURED'] === '1') console.log(measured);
  });
});
