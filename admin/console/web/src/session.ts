// The token of the operator: it is kept for this tab only, and goes nowhere but into the
// Authorization header of calls to the port that the page came from.
import { computed, signal } from '@preact/signals'

const place = 'dragoman.token'

// token is empty while nobody has signed in.
export const token = signal(sessionStorage.getItem(place) ?? '')

// Rights are what the token opens: all, or only calls that change nothing.
export type Rights = 'unknown' | 'read' | 'all'
export const rights = signal<Rights>('unknown')

// refused says why the person has to sign in again; empty: there is no reason yet.
export const refused = signal('')

// why is the reason why acting controls are disabled, or empty where they are not.
export const why = computed(() =>
  rights.value === 'read' ? 'You have signed in with the read token, which changes nothing. Sign in with the operator\u2019s token to do this.' : '')

// takeFromAddress takes #token=… out of the address bar, where the greeting of a quick start
// has put it. A fragment is never sent to a server.
export function takeFromAddress(): void {
  const found = /^#token=(.+)$/.exec(location.hash)
  if (!found) return
  history.replaceState(null, '', location.pathname + location.search)
  signIn(decodeURIComponent(found[1]!))
}

export function signIn(given: string): void {
  sessionStorage.setItem(place, given)
  rights.value = 'unknown'
  refused.value = ''
  token.value = given
}

// signOut forgets the token. The address stays, so that the next sign-in goes on there.
export function signOut(reason = ''): void {
  sessionStorage.removeItem(place)
  rights.value = 'unknown'
  refused.value = reason
  token.value = ''
}
