# Tells gorch where every host stands: one JSON object per line, into the pipe that GORCH_PROGRESS names.
#
# Says of a host only its name, its status, its task and, where that failed, what the task said; ansible itself has
# taken out of a result what `no_log` hides before this sees it. Never fails a play: what cannot be said is left out.
# For ansible-core 2.14 and later.

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = '''
    name: gorch_progress
    type: notification
    short_description: tells gorch where every host stands
    description: One JSON object per line, into the pipe that GORCH_PROGRESS names.
'''

# The longest texts, in characters, and the most bytes of all values of set_stats together.
LONGEST_WORD = 200
# The reader cuts once more, when what must not be shown is out of it.
LONGEST_MESSAGE = 16000
LARGEST_STATS = 1024 * 1024


def of(result, name):
    """A part of a task's result: the names lost their underscore in 2.19."""
    return getattr(result, name) if hasattr(type(result), name) else getattr(result, '_' + name)


def text(value, longest):
    value = value if isinstance(value, str) else str(value)
    return value if len(value) <= longest else value[:longest - 3] + '...'


def sentence(value):
    """One line; of a long one both ends, for the reason often stands last."""
    line = ' '.join((value if isinstance(value, str) else str(value)).split())
    if len(line) <= LONGEST_MESSAGE:
        return line
    return line[:LONGEST_MESSAGE // 2 - 5] + ' ... ' + line[-LONGEST_MESSAGE // 2:]


def message(result):
    """What a failed task said."""
    if 'censored' in result:
        return result['censored']
    if result.get('msg') and not result.get('results'):
        return result['msg']
    # Of a loop the items say why.
    for item in result.get('results') or []:
        if isinstance(item, dict) and (item.get('failed') or item.get('unreachable')):
            return message(item)
    return result.get('msg') or ''


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'notification'
    CALLBACK_NAME = 'gorch_progress'
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self):
        super().__init__()
        self.pipe = None
        try:
            # Fails where nobody reads; from then on writes may wait for whoever does.
            self.pipe = os.open(os.environ['GORCH_PROGRESS'], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.set_blocking(self.pipe, True)
        except (KeyError, OSError):
            self.disabled = True

    def tell(self, **said):
        if self.pipe is None:
            return
        line = (json.dumps(said, default=str) + '\n').encode('utf-8', 'replace')
        try:
            while line:
                line = line[os.write(self.pipe, line):]
        except OSError:
            # Nobody reads any more.
            self.pipe = None

    def item(self, host, task, status, result=None):
        said = {'host': text(host.get_name(), LONGEST_WORD), 'status': status, 'task': text(task.get_name(), LONGEST_WORD)}
        if result is not None:
            said['message'] = sentence(message(result))
        self.tell(item=said)

    def ended(self, result, status, why=None):
        self.item(of(result, 'host'), of(result, 'task'), status, why)

    def v2_runner_on_start(self, host, task):
        self.item(host, task, 'running')

    def v2_runner_on_ok(self, result):
        self.ended(result, 'changed' if of(result, 'result').get('changed') else 'ok')

    def v2_runner_on_skipped(self, result):
        self.ended(result, 'skipped')

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.ended(result, 'ignored' if ignore_errors else 'failed', of(result, 'result'))

    def v2_runner_on_unreachable(self, result):
        self.ended(result, 'unreachable', of(result, 'result'))

    def v2_playbook_on_stats(self, stats):
        names = {'failures': 'failed', 'dark': 'unreachable'}
        for host in sorted(stats.processed):
            counts = {names.get(key, key): getattr(stats, key).get(host, 0)
                      for key in ('ok', 'changed', 'failures', 'dark', 'skipped', 'rescued', 'ignored')}
            self.tell(total={'host': text(host, LONGEST_WORD),
                             'counts': {key: count for key, count in counts.items() if count}})
        custom = dict(stats.custom)
        everywhere = custom.pop('_run', {})
        told = {'everywhere': everywhere, 'by_host': custom}
        size = len(json.dumps(told, default=str))
        self.tell(stats=told if size <= LARGEST_STATS else {'size': size})
