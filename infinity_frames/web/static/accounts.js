// The accounts page: revoking a token takes a second click.

import {request, toast} from "./dom.js";

for (const button of document.querySelectorAll("[data-revoke]")) {
  button.addEventListener("click", async () => {
    if (button.dataset.sure === undefined) {
      button.dataset.sure = "";
      button.textContent = "Revoke for good?";
      button.addEventListener("blur", () => {
        delete button.dataset.sure;
        button.textContent = "Revoke";
      }, {once: true});
      return;
    }
    try {
      await request(`/api/tokens/${button.dataset.revoke}/`, {method: "DELETE"});
      button.closest("li").remove();
      toast("The token is revoked.");
    } catch (error) {
      toast(error.message);
    }
  });
}
