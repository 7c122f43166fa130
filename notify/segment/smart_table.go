package segment

// typographic gives plainer signs of the same meaning. Spaces, full-width forms
// and invisible format characters follow rules in replacement instead.
var typographic = map[rune]string{
	// Double quotes; the German „…“, the French «…» and the doubled prime.
	'“': `"`, '”': `"`, '„': `"`, '‟': `"`, '«': `"`, '»': `"`, '″': `"`, '‶': `"`,
	'ʺ': `"`, '˝': `"`, 'ˮ': `"`, '❝': `"`, '❞': `"`, '〝': `"`, '〞': `"`, '〟': `"`,
	// Single quotes, apostrophes, and accents that stand alone in their place.
	'‘': "'", '’': "'", '‚': "'", '‛': "'", '‹': "'", '›': "'", '′': "'", '‵': "'",
	'´': "'", '`': "'", 'ʹ': "'", 'ʻ': "'", 'ʼ': "'", 'ʽ': "'", 'ˈ': "'", 'ˊ': "'",
	'ˋ': "'", '❛': "'", '❜': "'", '꞉': ":",
	// Dashes, hyphens, minus.
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-", '⁃': "-",
	'﹘': "-", '﹣': "-", '⸺': "-", '⸻': "-", '˗': "-",
	// Dots and bullets.
	'…': "...", '‥': "..", '․': ".", '•': "-", '‣': "-", '◦': "-", '▪': "-", '·': "-",
	// Strokes and other signs with a twin.
	'⁄': "/", '∕': "/", '⧸': "/", '∣': "|", '¦': "|", '∗': "*", '⁎': "*", '∶': ":",
	'×': "x", '˜': "~", '∼': "~", '⁓': "~", 'ˆ': "^", '‗': "_", '‼': "!!", '⁇': "??", '⁈': "?!", '⁉': "!?",
	// Letters printed as one piece.
	'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ﬅ': "st", 'ﬆ': "st",
	// Space and line characters that aren't of the class Zs.
	'\t': " ", '\v': "\n", '\u0085': "\n", '\u2028': "\n", '\u2029': "\n",
}

// letters gives the letters that don't come apart into a letter and marks.
var letters = map[rune]string{
	'œ': "oe", 'Œ': "OE", 'ẞ': "SS", 'ſ': "s", 'ı': "i", 'ł': "l", 'Ł': "L", 'đ': "d", 'Đ': "D",
	'ð': "d", 'Ð': "D", 'þ': "th", 'Þ': "Th", 'ħ': "h", 'Ħ': "H", 'ŧ': "t", 'Ŧ': "T", 'ŋ': "n", 'Ŋ': "N",
	'ĸ': "k", 'ĳ': "ij", 'Ĳ': "IJ", 'ŀ': "l", 'Ŀ': "L", 'ŉ': "'n",
	'ǆ': "dz", 'ǅ': "Dz", 'Ǆ': "DZ", 'ǉ': "lj", 'ǈ': "Lj", 'Ǉ': "LJ", 'ǌ': "nj", 'ǋ': "Nj", 'Ǌ': "NJ",
}
