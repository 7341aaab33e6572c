import type { Configuration } from '../core/configuration.js';
import { invalid, ServiceError } from '../core/errors.js';
import type { ApiDependencies } from './dependencies.js';

/** Undefined: an administrator, who may do everything. Throws `invalid` if the tenant does not exist. */
export async function readTenant(
  { tenants }: ApiDependencies,
  { 'cray-tenant-name': tenant = '' }: { readonly 'cray-tenant-name'?: string | undefined },
  signal: AbortSignal,
): Promise<string | undefined> {
  if (tenant === '') return undefined;
  if (tenants !== undefined && (await tenants.knows(tenant, signal))) return tenant;
  throw invalid(`The tenant ${tenant} does not exist - 'Cray-Tenant-Name'`, 'Invalid tenant');
}

/** Refuses a tenant that is not the owner, even if the configuration has no owner. */
export function requireOwner(
  { name, tenantName }: Configuration,
  tenant: string | undefined,
): void {
  if (tenant !== undefined && tenantName !== tenant)
    throw forbidden(`Tenant ${tenant} does not own configuration ${name}.`);
}

/** The owner to store: always the tenant itself if one calls; an administrator may name any. */
export function toOwner(asked: string | undefined, tenant: string | undefined): string | undefined {
  if (tenant === undefined) return asked;
  if (asked !== undefined && asked !== '' && asked !== tenant)
    throw forbidden(`A tenant cannot modify tenant_name - 'tenant_name'`);
  return tenant;
}

function forbidden(message: string): ServiceError {
  return new ServiceError('forbidden', message, { title: 'Forbidden operation.' });
}
