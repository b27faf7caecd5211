"use strict";

window.addEventListener("DOMContentLoaded", () =>
  window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#docs",
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    // Links within the buttons that unfold an operation (`deepLinking`), and colours on black, are not accessible.
    syntaxHighlight: false,
  }),
);
