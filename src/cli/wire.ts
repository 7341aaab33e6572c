import type { z } from '@hono/zod-openapi';
import type { ConfigurationPage, ConfigurationWire } from '../api/wire/configuration.js';
import type { HostPage, PhaseList, PhaseWire } from '../api/wire/result.js';
import type { SessionPage } from '../api/wire/session-filter.js';
import type { SessionWire } from '../api/wire/session.js';

/** Answers of the API, typed by the API's own schemas. */
export type Session = z.output<typeof SessionWire>;
export type Sessions = z.output<typeof SessionPage>;
export type Phase = z.output<typeof PhaseWire>;
export type Phases = z.output<typeof PhaseList>;
export type Hosts = z.output<typeof HostPage>;
export type Host = Hosts['hosts'][number];
export type Configuration = z.output<typeof ConfigurationWire>;
export type Configurations = z.output<typeof ConfigurationPage>;
