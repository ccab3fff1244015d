-- In the cookie flow the new tokens are Set-Cookie values. They were lost when the body
-- of the answer was invalid, although the server had rotated. Now err.cookies has them.

local rig = require "spec.support.rig"

describe("an answer in cookies whose body is invalid", function()
  local server = rig.sandbox()
  local client

  before_each(function() client = rig.client(server) end)

  for _, kind in ipairs { "missing_payload", "wrong_types", "html", "trailing", "non_utf8", "deep", "truncate", "huge" } do
    it("still gives the new cookies: " .. kind, function()
      server:set { tier = "2" }
      local _, privy = rig.session(server)
      server:fault { kind = kind, execute = true }
      local res, err = client:refresh_session({ encryption_public_key = rig.KEY },
        { cookie = "grid_session=" .. privy.refresh_token })
      assert.is_nil(res)
      rig.assert_error(err, { sent = "yes", status = 200 })
      assert.equal(2, #err.cookies)
      for name, value in pairs(err) do assert.is_true(name ~= "cookies" and value ~= err.cookies) end
      assert(client:refresh_session({ encryption_public_key = rig.KEY },
        { cookie = err.cookies[1]:match "^[^;]+" }))
    end)
  end
end)
