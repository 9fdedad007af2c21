import { render } from 'preact'
import 'uplot/dist/uPlot.min.css'
import './style.css'
import { App } from './app'
import { followLinks } from './route'
import { takeFromAddress } from './session'

takeFromAddress()
addEventListener('hashchange', takeFromAddress)
followLinks()
render(<App />, document.getElementById('page')!)
