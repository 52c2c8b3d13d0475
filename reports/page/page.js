/* The matrix of verdicts: areas open into cases, cases into points; a filter that lives in the
 * address: #filter=clone len=2B&verdict=fail,xfail&differ=1 */
'use strict';
(function () {
	const data = JSON.parse(document.getElementById('matrix-data').textContent);
	const body = document.getElementById('matrix-body');
	const root = document.documentElement;
	// Rows that open by themselves when a filter leaves no more points than this.
	const FEW = 120;

	if (!body) {
		root.dataset.state = 'ready';
		return;
	}

	const text = document.getElementById('filter-text');
	const count = document.getElementById('filter-count');
	const differ = document.getElementById('differ');
	const toggles = [...document.querySelectorAll('.toggle[data-verdict]')];
	const form = text.form;
	const verdictOf = {};
	data.codes.split('').forEach((code, i) => { verdictOf[code] = data.verdicts[i]; });
	// The reader's own opening and closing, by row; forgotten when the filter changes.
	let chosen = new Map();
	let points = 0;

	const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
	const escape = (s) => s.replace(/[&<>"]/g, (c) => escapes[c]);

	for (const [area, cases] of data.areas)
		for (const one of cases)
			for (const point of one.points) {
				const label = point[0] ? '[' + point[0] + ']' : '';
				point.text = (one.name + label + ' ' + one.checks).toLowerCase();
				point.differs = new Set(point[1].replace(/[.s]/g, '')).size > 1;
				points++;
			}

	function filter() {
		const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
		const codes = toggles.filter((t) => t.getAttribute('aria-pressed') === 'true')
			.map((t) => data.codes[data.verdicts.indexOf(t.dataset.verdict)]);
		const only = differ.getAttribute('aria-pressed') === 'true';
		const on = words.length > 0 || codes.length > 0 || only;
		const match = (p) => words.every((w) => p.text.includes(w)) &&
			(!codes.length || codes.some((c) => p[1].includes(c))) && (!only || p.differs);
		return { on, match };
	}

	function tally(list) {
		return data.runs.map((_, run) => {
			const found = {};
			for (const p of list)
				if (p[1][run] !== '.')
					found[p[1][run]] = (found[p[1][run]] || 0) + 1;
			return found;
		});
	}

	// The gravest verdict that is news, else what most of it is.
	function head(found) {
		const order = [...data.codes];
		return order.slice(0, 5).find((c) => found[c]) ||
			order.slice(5).find((c) => found[c]);
	}

	function cell(found) {
		const total = Object.values(found).reduce((a, b) => a + b, 0);
		if (!total)
			return '<td><span class="note">–</span></td>';
		const first = head(found), verdict = verdictOf[first];
		const parts = [...data.codes].filter((c) => found[c]);
		const said = parts.map((c) => found[c] + ' ' + verdictOf[c]).join(', ');
		const bar = parts.map((c) => '<i class="v-' + verdictOf[c] + '" style="flex:' +
			found[c] + '"></i>').join('');
		const name = verdict === 'pass' ? '' : ' <small>' + verdict + '</small>';
		return '<td title="' + said + '"><span class="cell v-' + verdict + '" aria-hidden="true">' +
			found[first] + name + '</span><span class="hidden">' + said +
			'</span><span class="bar" aria-hidden="true">' + bar + '</span></td>';
	}

	function row(kind, id, label, open, cells, more) {
		const button = open === null ? label : '<button type="button" data-row="' + escape(id) +
			'" aria-expanded="' + open + '">' + label + '</button>';
		return '<tr class="' + kind + '"><th scope="row">' + button + (more || '') + '</th>' +
			cells + '</tr>';
	}

	function reasons(one, point) {
		const items = point[2].map(([run, reason]) => {
			const verdict = verdictOf[point[1][run]];
			const told = one.told && one.told[verdict];
			return '<li><b>' + escape(data.runs[run]) + '</b>: <span class="v-' + verdict + '">' +
				(told ? '<a href="#' + told + '">' + verdict + '</a>' : verdict) + '</span> ' +
				escape(data.reasons[reason]) + '</li>';
		});
		return '<tr class="why"><td colspan="' + (data.runs.length + 1) + '"><ul>' +
			items.join('') + '</ul></td></tr>';
	}

	function pointRows(one, point, isOpen, out) {
		const id = one.name + '[' + point[0];
		const open = point[2].length ? isOpen(id, false) : null;
		const cells = data.runs.map((_, run) => {
			const verdict = verdictOf[point[1][run]];
			return verdict ? '<td class="b-' + verdict + ' v-' + verdict + '">' + verdict + '</td>' :
				'<td><span class="note">–</span></td>';
		}).join('');
		out.push(row('point', id, escape(point[0] || '(one point)').replace(/,/g, ',<wbr>'), open, cells));
		if (open)
			out.push(reasons(one, point));
	}

	function draw() {
		const { on, match } = filter();
		const shown = [];
		let matched = 0, matchedCases = 0;
		for (const [area, cases] of data.areas) {
			const left = cases.map((one) => [one, one.points.filter(match)])
				.filter((pair) => pair[1].length);
			if (left.length)
				shown.push([area, left]);
			matchedCases += left.length;
			matched += left.reduce((n, pair) => n + pair[1].length, 0);
		}
		const few = on && matched <= FEW;
		const isOpen = (id, auto) => chosen.has(id) ? chosen.get(id) : auto;
		const out = [];
		for (const [area, left] of shown) {
			const all = left.flatMap((pair) => pair[1]);
			const open = isOpen(area, few || (on && matchedCases <= FEW));
			out.push(row('area', area, escape(area) + ' <span class="note">' + left.length +
				(left.length === 1 ? ' case' : ' cases') + '</span>', open,
				tally(all).map(cell).join('')));
			if (!open)
				continue;
			for (const [one, some] of left) {
				const caseOpen = isOpen(one.name, few);
				out.push(row('case', one.name, escape(one.name.slice(area.length + 1)), caseOpen,
					tally(some).map(cell).join(''),
					'<span class="checks">' + escape(one.checks) + '</span>'));
				if (caseOpen)
					some.forEach((point) => pointRows(one, point, isOpen, out));
			}
		}
		body.innerHTML = out.join('') ||
			'<tr><td colspan="' + (data.runs.length + 1) + '">Nothing matches.</td></tr>';
		count.textContent = (on ? matched + ' of ' : '') + points + ' points in ' +
			matchedCases + ' cases';
		root.dataset.matched = matched;
	}

	function redraw() {
		const at = document.activeElement && document.activeElement.dataset.row;
		draw();
		if (at)
			(rowButtons().find((b) => b.dataset.row === at) || text).focus();
	}

	const rowButtons = () => [...body.querySelectorAll('button[data-row]')];

	function remember() {
		const parts = [];
		const verdicts = toggles.filter((t) => t.getAttribute('aria-pressed') === 'true');
		if (text.value)
			parts.push('filter=' + encodeURIComponent(text.value));
		if (verdicts.length)
			parts.push('verdict=' + verdicts.map((t) => t.dataset.verdict).join(','));
		if (differ.getAttribute('aria-pressed') === 'true')
			parts.push('differ=1');
		try {
			history.replaceState(null, '', '#' + (parts.join('&') || 'matrix'));
		} catch (error) {
			/* Some browsers refuse this for files; the filter works all the same. */
		}
	}

	function changed() {
		chosen = new Map();
		remember();
		draw();
	}

	function recall() {
		const hash = location.hash.slice(1);
		if (!/^(filter|verdict|differ)=/.test(hash))
			return;
		const told = new URLSearchParams(hash.replace(/\+/g, '%2B'));
		const verdicts = (told.get('verdict') || '').split(',');
		text.value = told.get('filter') || '';
		toggles.forEach((t) => t.setAttribute('aria-pressed',
			verdicts.includes(t.dataset.verdict)));
		differ.setAttribute('aria-pressed', told.get('differ') === '1');
		chosen = new Map();
		draw();
		document.getElementById('matrix').scrollIntoView();
	}

	function press(button) {
		button.setAttribute('aria-pressed', button.getAttribute('aria-pressed') !== 'true');
		changed();
	}

	function walk(event) {
		const button = event.target.closest('button[data-row]');
		if (!button)
			return;
		const rows = rowButtons(), at = rows.indexOf(button);
		const open = button.getAttribute('aria-expanded') === 'true';
		const go = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
		if (go !== undefined && rows[go])
			rows[go].focus();
		else if ((event.key === 'ArrowRight' && !open) || (event.key === 'ArrowLeft' && open))
			button.click();
		else
			return;
		event.preventDefault();
	}

	body.addEventListener('click', (event) => {
		const button = event.target.closest('button[data-row]');
		if (!button)
			return;
		button.focus();
		chosen.set(button.dataset.row, button.getAttribute('aria-expanded') !== 'true');
		redraw();
	});
	body.addEventListener('keydown', walk);
	text.addEventListener('input', changed);
	toggles.concat(differ).forEach((t) => t.addEventListener('click', () => press(t)));
	form.addEventListener('submit', (event) => event.preventDefault());
	form.addEventListener('reset', () => {
		toggles.concat(differ).forEach((t) => t.setAttribute('aria-pressed', 'false'));
		setTimeout(changed);
	});
	document.addEventListener('keydown', (event) => {
		if (event.ctrlKey || event.altKey || event.metaKey)
			return;
		if (event.key === '/' && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
			event.preventDefault();
			text.focus();
		} else if (event.key === 'Escape' && form.contains(document.activeElement)) {
			form.reset();
		}
	});
	window.addEventListener('hashchange', recall);

	form.hidden = false;
	document.getElementById('matrix-keys').hidden = false;
	draw();
	recall();
	root.dataset.state = 'ready';
}());
