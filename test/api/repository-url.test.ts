import { describe, expect, test } from '@jest/globals';
import { findRefFault, findUrlFault } from '../../src/api/repository-url.js';

test('the address of a remote helper need not be a URL', () => {
  expect(findUrlFault('codecommit::eu-west-1://profile@repository', 'codecommit')).toBeUndefined();
});

describe('findUrlFault', () => {
  test.each([
    'https://git.example.com/a.git',
    'HTTPS://git.example.com:8443/a:b.git',
    'ssh://git@git.example.com:22/a.git',
    'git@git.example.com:team/a.git',
    'git.example.com:a.git',
    'https://git.example.com/a@b:c.git',
    'https://[2001:db8::1]:8443/a.git',
    'https://[2001:db8::1]/a.git',
    'ssh://git@[2001:db8::1]:22/a.git',
    '[2001:db8::1]:a.git',
  ])('takes %s', (url) => {
    expect(findUrlFault(url, 'https:ssh')).toBeUndefined();
  });

  test.each([
    ['http://a/b.git', 'scheme http'],
    ['file:///srv/a.git', 'scheme file'],
    ['/srv/a.git', 'scheme file'],
    ['../a.git', 'scheme file'],
    ['ext::sh -c id', 'scheme ext'],
    ['git://a/b', 'scheme git'],
    ['-oProxyCommand=id', 'begin with "-"'],
    ['ssh://-oProxyCommand=id/a', 'host must not'],
    ['git@-oProxyCommand=id:a', 'host must not'],
    ['https://u:secret@a/b.git', 'password'],
    ['https://secret@a/b.git', 'user name or a token'],
    ['https://u:p@ss@a/b.git', 'password'],
    ['https://:secret@a/b.git', 'password'],
    ['ssh://u:secret@a/b.git', 'password'],
    ['u:secret@a:b.git', 'password'],
    ['u:secret@a/b.git', 'password'],
    ['https://u:sec/ret@a/b.git', 'port'],
    ['ssh://u:sec/ret@a/b.git', 'port'],
    ['https:///u:secret@a/b.git', 'name a host'],
    ['https::https://u:secret@a/b.git', 'name a host'],
    ['https::http://a/b.git', 'name a host'],
  ])('refuses %s: %s', (url, fault) => {
    expect(findUrlFault(url, 'https:ssh')).toContain(fault);
    expect(findUrlFault(url, 'https:ssh')).not.toContain('secret');
  });
});

test('a URL or a branch is refused if it is too long for git', () => {
  expect(findUrlFault('https://a/'.padEnd(4096, 'b'), 'https')).toBeUndefined();
  expect(findUrlFault('https://a/'.padEnd(4097, 'b'), 'https')).toContain('more than 4096 bytes');
  expect(findRefFault('b'.repeat(4096))).toBeUndefined();
  expect(findRefFault('\u00FC'.repeat(2049))).toBe('A branch must not have more than 4096 bytes');
});
