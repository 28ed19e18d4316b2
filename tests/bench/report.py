"""Lines and tables of what run.py measured."""
import math
import os
import platform

PEERS = ('torch_tuned', 'torch_jit', 'ort_c')
MIB = 1 << 20


def is_network(case):
    return '_infer_b' in case or '_train_b' in case


def limit(case, d, threads):
    """seconds that the network takes at least: its multiply-adds (three forwards for a training step) at the
    measured peak, or the bytes of its parameters at the measured bandwidth of the level that holds them. A
    step reads the weights twice, Adam's two slots once, and writes all three."""
    machine, train = d['machine'], '_train_' in case
    work = 2 * d['macs'] * (3 if train else 1) / (machine['gflops'] * 1e9)
    held = 4 * d['parameters'] * (3 if train else 1)
    moved = 4 * d['parameters'] * (7 if train else 1)
    speed = machine['l2_gbs'] if held < 2 * MIB * threads else machine['l3_gbs'] if held < 32 * MIB else machine['read_gbs']
    by_bytes = moved / (speed * 1e9)
    return (by_bytes, 'bytes') if by_bytes > work else (work, 'peak')


def best_peer(d):
    found = {k: v['ms'] for k, v in d['engines'].items() if k in PEERS}
    return min(found.items(), key=lambda x: x[1]) if found else None


def ms(v):
    return '-' if v is None else '%.4f' % v if v < 1 else '%.3f' % v if v < 10 else '%.2f' % v if v < 100 else '%.1f' % v


def network_cells(case, threads, d):
    ours = d['engines'].get('nnc', {}).get('ms')
    at_least, by = limit(case, d, threads)
    peer = best_peer(d)
    cells = [case, str(threads), ms(ours)] + [ms(d['engines'].get(p, {}).get('ms')) for p in PEERS]
    cells.append('%.2f' % (peer[1] / ours) if peer and ours else '-')
    cells += ['%s (%s)' % (ms(at_least * 1e3), by), '%.0f%%' % (100e3 * at_least / ours) if ours else '-']
    return cells


NETWORK_HEAD = ['network', 'threads', 'nnc ms', 'PyTorch', 'PyTorch jit', 'ONNX Runtime', 'times as fast as the best', 'limit ms', 'of the limit']


def odd_pairs(rows):
    speed = {r['entry']: r['gflops'] for r in rows}
    speed.update({r['entry']: r['gbs'] for r in rows if r['entry'].startswith(('softmax', 'pool'))})
    for name, v in speed.items():
        if name.endswith('_odd'):
            yield name[:-4], v, speed[name[:-4] + '_round']


def row(case, threads, d):
    """one line for the terminal"""
    if is_network(case):
        return '  '.join('%s %s' % (h, c) if h not in ('network', 'threads') else c for h, c in
                         zip(NETWORK_HEAD, network_cells(case, threads, d)))
    if case == 'kernels':
        return d['text'].rstrip()
    if case == 'odd':
        return '\n'.join('%s  %d threads  odd %.1f  round %.1f  %.0f%%' % (n, threads, a, b, 100 * a / b)
                         for n, a, b in odd_pairs(d['rows']))
    if case.startswith('fusion_'):
        return '\n'.join('%s %s  %d threads  unfused %s ms  fused %s ms  %.2f times' % ((case[7:], n, threads) + f)
                         for n, f in fusion_pairs(d['rows']))
    if case == 'epoch':
        return epoch_line(d, threads)
    return '\n'.join('cold %s  %.2f ms  %.2f MiB' % (k, v['ms'], v['rss_mib']) for k, v in d['engines'].items())


def fusion_pairs(rows):
    times = {}
    for r in rows:
        times.setdefault(r['entry'], {})[r['fused']] = r
    for name, t in times.items():
        if True in t and False in t:
            yield name, (ms(1e3 * t[False]['seconds']), ms(1e3 * t[True]['seconds']), t[False]['seconds'] / t[True]['seconds'])


def epoch_line(d, threads):
    least = d['samples'] * d['macs'] * 6 / (d['machine']['gflops'] * 1e9)
    return 'epoch of the CNN on MNIST  %d threads  %.2f s, %.0f%% of the arithmetic limit' % (threads, d['seconds'], 100 * least / d['seconds'])


# ---- Markdown ----

def table(head, rows):
    rule = ['---'] + ['---:'] * (len(head) - 1)
    return '\n'.join('| %s |' % ' | '.join(r) for r in [head, rule] + rows) + '\n'


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def cpu_name():
    try:
        with open('/proc/cpuinfo') as f:
            return next(l.split(':')[1].strip() for l in f if l.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor()


def networks(results, order, kind):
    out, notes = [], []
    for threads in ('1', '2'):
        ratios, shares = [], []
        for case in order:
            d = results.get(case, {}).get(threads) if kind in case else None
            if not d:
                continue
            out.append(network_cells(case, int(threads), d))
            peer, ours = best_peer(d), d['engines'].get('nnc', {}).get('ms')
            if ours:
                shares.append(1e3 * limit(case, d, int(threads))[0] / ours)
            if peer and ours:
                ratios.append(peer[1] / ours)
        if ratios:
            notes.append('%s thread%s: geometric mean %.2f times the best peer, %.0f%% of the limit.' %
                         (threads, 's' * (threads != '1'), geometric(ratios), 100 * geometric(shares)))
    return (table(NETWORK_HEAD, out) + '\n' + '\n'.join(notes) + '\n') if out else ''


def machine_text(results):
    seen, when = {}, []
    for case, by_threads in results.items():
        for threads, d in by_threads.items():
            when.append(d['when'])
            if 'machine' in d:
                seen.setdefault(threads, []).append(d['machine'])
    out = []
    for threads, m in sorted(seen.items()):
        mid = lambda key: sorted(x[key] for x in m)[len(m) // 2]
        out.append([threads] + ['%.0f' % mid(k) for k in ('gflops', 'l1_gbs', 'l2_gbs', 'l3_gbs', 'read_gbs', 'triad_gbs')])
    head = ['threads', 'GFLOP/s', 'L1 GB/s', 'L2 GB/s', 'L3 GB/s', 'memory, read', 'memory, triad']
    return (min(when), max(when), table(head, out))


def markdown(results, order):
    first, last, machine = machine_text(results)
    head = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'report_head.md')).read()
    parts = [head.replace('@WHEN@', first if first == last else '%s to %s' % (first, last)).replace('@CPU@', cpu_name())
             .replace('@MACHINE@', machine.rstrip())]
    for title, kind in (('Inference', '_infer_b'), ('Training steps (Adam)', '_train_b')):
        text = networks(results, order, kind)
        if text:
            parts.append('## %s\n\n%s' % (title, text))
    odd = [[n, t, '%.1f' % a, '%.1f' % b, '%.0f%%' % (100 * a / b)] for t, d in sorted(results.get('odd', {}).items())
           for n, a, b in odd_pairs(d['rows'])]
    if odd:
        parts.append('## Odd sizes\n\nGFLOP/s (softmax and pooling: GB/s) of the networks in tests/bench/nets/odd.nn.\n\n' +
                     table(['operation', 'threads', 'odd', 'round', 'odd / round'], odd))
    fusion = [[c[7:], n, t, f[0], f[1], '%.2f' % f[2]] for c in order if c.startswith('fusion_')
              for t, d in sorted(results.get(c, {}).items()) for n, f in fusion_pairs(d['rows'])]
    if fusion:
        parts.append('## Fused against unfused\n\nEvery example, `nnc bench --compare fusion`.\n\n' +
                     table(['example', 'entry', 'threads', 'unfused ms', 'fused ms', 'times as fast'], fusion))
    rest = [epoch_line(d, int(t)) + '.' for t, d in sorted(results.get('epoch', {}).items())]
    for d in results.get('cold', {}).values():
        rest += ['Process start to the first answer of the mlp, %s: %.2f ms, %.2f MiB at most.' % (
            dict(nnc='built executable', ort_c='ONNX Runtime').get(k, k), v['ms'], v['rss_mib']) for k, v in d['engines'].items()]
    if rest:
        parts.append('## Whole runs\n\n' + '\n'.join('- ' + r[0].upper() + r[1:] for r in rest) + '\n')
    kernels = ['%s thread%s\n\n```\n%s\n```\n' % (t, 's' * (t != '1'), d['text'].rstrip()) for t, d in sorted(results.get('kernels', {}).items())]
    if kernels:
        parts.append('## Kernels\n\nSingle contractions against the peak of the same run.\n\n' + '\n'.join(kernels))
    notes = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'report_notes.md')
    if os.path.exists(notes):
        parts.append(open(notes).read())
    return '\n'.join(parts)
