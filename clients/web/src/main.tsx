// Owns the beginning: the page becomes the application. Never does more.

import { render } from 'preact'
import { meet } from './api/who'
import { App } from './app'
import './styles/base.css'
import './styles/parts.css'
import './styles/screens.css'
import './styles/run.css'

void meet()
const place = document.getElementById('app')
if (place) render(<App />, place)
