/** The server's time: that of its last answer plus the time since. */
export function createServerClock() {
  let told: { readonly at: number; readonly heardAt: number } | undefined;
  return {
    now: () => (told === undefined ? Date.now() : told.at + performance.now() - told.heardAt),
    hear: (date: string | undefined) => {
      const at = Date.parse(date ?? '');
      if (!Number.isNaN(at)) told = { at, heardAt: performance.now() };
    },
  };
}
