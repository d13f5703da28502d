// Returns the texts on a plain background whose contrast is below WCAG 2.2 §1.4.3: 4.5 to 1, or 3 to 1 for large text.
() => {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((each) => each / 255).map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, number) => sum + each * [0.2126, 0.7152, 0.0722][number], 0);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const { backgroundColor, backgroundImage } = getComputedStyle(each);
      if (backgroundImage.includes("gradient")) return null;
      if (!backgroundColor.startsWith("rgba")) return parts(backgroundColor);
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((each) => each.nodeType === 3).map((each) => each.textContent.trim()).join("");
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.matches("script, style, noscript")) continue;
    const behind = ground(element), style = getComputedStyle(element);
    if (!behind) continue;
    const [a, b] = [light(parts(style.color)), light(behind)].sort((one, other) => other - one), ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) weak.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return weak;
}
