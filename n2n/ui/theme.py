"""Indigo, light and dark, with contrasts that pass axe; and what Gradio has no widget for."""

import gradio as gr

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]

CSS = """
.gradio-container { max-width: 1500px !important; width: 100%; margin: 0 auto; font-size: 16px; }
.main.fillable { width: 100%; }
.top { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: center;
       justify-content: space-between; padding: 4px 2px; }
.top h1 { font-size: 28px; font-weight: 700; margin: 0; letter-spacing: -0.02em; }
.top p { margin: 2px 0 0; color: var(--body-text-color-subdued); font-size: 15px; }
.badge { border: 1px solid var(--border-color-primary); border-radius: 999px; font-size: 14px;
         padding: 4px 12px; white-space: nowrap; background: var(--background-fill-secondary); }
.foot { color: var(--body-text-color-subdued); font-size: 14px; text-align: center;
        margin: 8px 0 0; }
footer .divider { display: none; }
.dark button[role=tab].selected { color: var(--primary-300); }
.dark input[type=range] { --neutral-200: var(--neutral-600); }
.gradio-container .html-container { padding: 0; }
.heading h2 { margin: 0; font-size: 18px; font-weight: 650; }
.samples .grid-wrap { height: auto; max-height: none; min-height: 0; padding-top: 28px; }
.samples .grid-container { grid-auto-rows: auto; align-content: start; }
.samples .caption-label { display: none; }
.samples .grid-container button { aspect-ratio: 3 / 2 !important; height: auto !important; }
.samples .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
.models .wrap { flex-direction: column; }
.models label { width: 100%; }
#watched img { width: 100%; height: 100%; object-fit: contain; }
.seed { align-items: end; }
.seed button { height: 42px; }
.exact img { image-rendering: pixelated; }
.captioned .image-container { padding-top: 28px; }
.captioned [data-testid=block-label] > span { display: none; }
@media (max-width: 480px) { .captioned .icon-button-wrapper { display: none; } }
.detail img { object-fit: none !important; width: 100%; height: 100%; }
.line p { font-size: 15px; margin: 0; }
.status { min-height: 24px; }
.presets { gap: 8px; }
.presets button { flex: 1 1 40%; }
.numbers dl { display: flex; flex-wrap: wrap; gap: 8px 40px; margin: 4px 0; }
.numbers dt { font-size: 14px; color: var(--body-text-color-subdued); }
.numbers dd { font-size: 26px; font-weight: 650; margin: 0; font-variant-numeric: tabular-nums; }
.numbers p { margin: 4px 0; font-size: 16px; }
.numbers .big { font-size: 20px; font-weight: 600; }
.numbers .how { font-size: 14px; color: var(--body-text-color-subdued); }
.wide table { border: 0 !important; border-collapse: collapse; width: 100%; font-size: 15px;
                        font-variant-numeric: tabular-nums; }
.wide table th, .wide table td { text-align: left; padding: 6px 16px 6px 4px; border: 0;
  border-bottom: 1px solid var(--border-color-primary); }
.wide td { white-space: nowrap; }
.compare td:first-child { width: 112px; }
.compare img { image-rendering: pixelated; border-radius: 4px; max-width: none; }
.wide { overflow-x: auto; contain: inline-size; }
.steps { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 16px; }
.steps figure { margin: 0; }
.steps img { width: 100%; height: auto; border-radius: 6px; image-rendering: pixelated; }
.steps figcaption { font-size: 14px; margin-top: 4px; }
.studies { display: grid !important; gap: 16px; align-items: stretch;
           grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); }
.study { border: 1px solid var(--border-color-primary); border-radius: 8px; padding: 16px; }
.study.shown { border: 0; padding: 0; }
.study .shown { flex-grow: 1; }
.study h2 { margin: 0; font-size: 18px; font-weight: 650; }
.study p { margin: 6px 0; font-size: 15px; }
.study .question { color: var(--body-text-color-subdued); }
.study img, .study-figure img { max-width: 100%; height: auto; margin: 8px auto;
                                border-radius: 6px; }
.study .actions { flex-wrap: nowrap; }
.study .actions button:first-child { flex: 0 0 90px; }
#studies-back { flex-grow: 0; width: auto; max-width: 180px; }
@media (max-width: 480px) { .study { padding: 12px 8px; } }
#study-run, #study-stop { max-width: 420px; }
.study-facts dl { display: grid; gap: 12px 32px;
                  grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); }
.study-facts dt { font-weight: 650; }
.study-facts dd { margin: 2px 0 0; font-size: 15px; overflow-wrap: anywhere; }
.prose { font-size: 16px; }
@media (prefers-reduced-motion: no-preference) {
  .again { animation: again 1.6s ease-in-out infinite; }
  @keyframes again { 50% { box-shadow: 0 0 0 5px rgb(99 102 241 / 35%); } }
}
"""


# A hidden download button gets its file from the server and is pressed once the page has it.
def press_download(element: str) -> str:
    """Script that presses the hidden button with this id."""
    return f"""() => setTimeout(() => {{
  const file = document.querySelector("#{element}");
  (file.matches("a, button") ? file : file.querySelector("a, button")).click();
}}, 300)"""


def theme() -> gr.themes.Base:
    """Gradio's default in indigo, with other colours where its contrasts are too low."""
    return gr.themes.Default(
        primary_hue="indigo", font=FONTS, text_size="lg", spacing_size="sm"
    ).set(
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        button_cancel_background_fill="#b91c1c",
        button_cancel_background_fill_hover="#991b1b",
        button_cancel_background_fill_dark="#b91c1c",
        button_cancel_background_fill_hover_dark="#991b1b",
        color_accent="*primary_600",  # Gradio has none for dark: see .dark in the CSS
        link_text_color="*primary_600",
        link_text_color_dark="*primary_300",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
    )
