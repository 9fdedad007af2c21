// What has no event of its own is asked for again and again, while somebody looks.
import { useEffect } from 'preact/hooks'

export function usePoll(again: () => void, ms: number): void {
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) again() }, ms)
    return () => clearInterval(timer)
  })
}
