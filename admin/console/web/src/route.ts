// Where the page is: the view in the path, its filters in the query. Back, forward, reload and a
// copied address therefore show the same.
import { computed, signal } from '@preact/signals'

const base = '/console/'

interface Place { view: string; params: URLSearchParams }

function read(): Place {
  const path = location.pathname
  return { view: path.startsWith(base) ? path.slice(base.length).replace(/\/$/, '') : '', params: new URLSearchParams(location.search) }
}

const place = signal<Place>(read())
addEventListener('popstate', () => { place.value = read() })

// view is the name of the view in the address; empty for the address of the port alone.
export const view = computed(() => place.value.view)

// param is the value of a filter, or empty.
export const param = (name: string): string => place.value.params.get(name) ?? ''

// address is that of a view with filters.
export function address(view: string, filters: Record<string, string> = {}): string {
  const q = new URLSearchParams()
  for (const [name, value] of Object.entries(filters)) if (value) q.set(name, value)
  const text = q.toString()
  return base + view + (text && '?' + text)
}

// go shows an address of this page, as a step that the back button takes back.
export function go(to: string): void {
  history.pushState(null, '', to)
  place.value = read()
  scrollTo(0, 0)
}

// setParams changes filters of the view that is shown; an empty value removes one. step says whether the back
// button takes it back, which a letter of a word that is being typed is too small for.
export function setParams(changes: Record<string, string>, step = true): void {
  const params = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(changes)) value ? params.set(name, value) : params.delete(name)
  const text = params.toString()
  const to = location.pathname + (text && '?' + text)
  if (to === location.pathname + location.search) return
  step ? history.pushState(null, '', to) : history.replaceState(null, '', to)
  place.value = read()
}

// followLinks lets links between views change the view without loading the page anew.
export function followLinks(): void {
  document.addEventListener('click', e => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    const link = e.target instanceof Element && e.target.closest('a[href]')
    if (!(link instanceof HTMLAnchorElement) || link.target || link.origin !== location.origin || !link.pathname.startsWith(base)) return
    if (link.hash && link.pathname === location.pathname) return
    e.preventDefault()
    go(link.pathname + link.search)
  })
}
