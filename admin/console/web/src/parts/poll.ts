// What has no event of its own is asked for again and again, while somebody looks.
import { useEffect, useRef } from 'preact/hooks'

// usePoll calls again each ms, however often the view is drawn meanwhile.
export function usePoll(again: () => void, ms: number): void {
  const latest = useRef(again)
  latest.current = again
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) latest.current() }, ms)
    return () => clearInterval(timer)
  }, [ms])
}
