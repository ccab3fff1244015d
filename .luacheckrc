-- Both VMs, and nothing that only one of them has without asking.
std = "lua54+luajit"
max_line_length = 132
max_cyclomatic_complexity = 15
unused_secondaries = true
self = false

files["lua/grid/host/nginx*.lua"].std = "+ngx_lua"
files["spec/**/*_spec.lua"].std = "+busted"
files["spec/nginx"].std = "+busted+ngx_lua"
files["spec/oidc"].std = "+busted"
files["spec/browser"].std = "+busted"
files["spec/sandbox"].std = "+ngx_lua"
files["spec/examples"].std = "+ngx_lua"
files["spec/bench"].std = "+ngx_lua"
-- The stressed collector replaces coroutine.create and coroutine.wrap on purpose.
files["spec/support/stress_gc.lua"].ignore = { "122/coroutine" }
