import datetime

import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.db.models.lookups
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.models.keys
import accounts.models.payers


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Department',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=64, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z', 'Use letters, digits and . _ @ + - only, beginning with a letter or digit.')], verbose_name='code')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
            ],
            options={
                'verbose_name': 'department',
                'verbose_name_plural': 'departments',
                'ordering': ('code',),
            },
        ),
        migrations.CreateModel(
            name='Tier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=32, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z', 'Use letters, digits and . _ @ + - only, beginning with a letter or digit.')], verbose_name='code')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
            ],
            options={
                'verbose_name': 'tier',
                'verbose_name_plural': 'tiers',
                'ordering': ('code',),
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('language', models.CharField(blank=True, choices=[('en', 'English'), ('th', 'ไทย')], help_text='Language of e-mails; pages follow the choice made in the browser.', max_length=5, verbose_name='language')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='Period',
            fields=[
                ('month', models.DateField(primary_key=True, serialize=False, verbose_name='month')),
                ('starts_at', models.DateTimeField(verbose_name='from')),
                ('ends_at', models.DateTimeField(verbose_name='until')),
                ('status', models.CharField(choices=[('open', 'Open'), ('closed', 'Closed')], default='open', max_length=8, verbose_name='status')),
                ('closed_at', models.DateTimeField(editable=False, null=True, verbose_name='closed')),
                ('closed_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='closed by')),
                ('override_reason', models.CharField(blank=True, default='', editable=False, max_length=500, verbose_name='reason for closing all the same')),
                ('overridden', models.JSONField(default=list, editable=False, verbose_name='what stood against closing')),
                ('seal', models.JSONField(editable=False, null=True, verbose_name='charges when it was closed')),
            ],
            options={
                'verbose_name': 'period',
                'verbose_name_plural': 'periods',
                'ordering': ('-month',),
                'permissions': (('close_period', 'Can close periods'), ('override_findings', 'Can close periods although something is unexplained'), ('reopen_period', 'Can ask for a closed period to be opened again, and approve it')),
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__gt', django.db.models.expressions.CombinedExpression(models.F('starts_at'), '+', models.Value(datetime.timedelta(days=27)))), ('ends_at__lt', django.db.models.expressions.CombinedExpression(models.F('starts_at'), '+', models.Value(datetime.timedelta(days=33)))), ('month__day', 1)), name='period_of_a_month'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('closed_by', None), ('overridden', []), ('override_reason', ''), ('seal__isnull', True), ('status', 'open')), models.Q(django.db.models.lookups.Exact(accounts.models.keys.JsonType('seal'), 'object'), ('closed_at__gte', models.F('ends_at')), ('closed_at__isnull', False), ('seal__isnull', False), ('status', 'closed')), _connector='OR'), name='period_steps'), models.CheckConstraint(condition=models.Q(models.Q(('overridden', []), ('override_reason', '')), models.Q(django.db.models.lookups.Exact(accounts.models.keys.JsonType('overridden'), 'array'), ('closed_by__isnull', False), models.Q(('override_reason__regex', '^\\s*$'), _negated=True), models.Q(('overridden', []), _negated=True)), _connector='OR'), name='period_named_override'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(accounts.models.payers.Span('starts_at', 'ends_at'), '&&')], name='period_no_overlap')],
            },
        ),
        migrations.CreateModel(
            name='PeriodReopening',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reopenings', to='accounts.period', verbose_name='period')),
                ('closed_at', models.DateTimeField(editable=False, verbose_name='closed')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked for by')),
                ('requested_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='asked for')),
                ('approved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='approved by')),
                ('approved_at', models.DateTimeField(null=True, verbose_name='approved')),
                ('declined_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='declined by')),
                ('declined_at', models.DateTimeField(null=True, verbose_name='declined')),
            ],
            options={
                'verbose_name': 'reopening of a period',
                'verbose_name_plural': 'reopenings of periods',
                'ordering': ('-requested_at', '-pk'),
                'constraints': [models.CheckConstraint(condition=models.Q(('reason__regex', '^\\s*$'), _negated=True), name='period_reopening_has_reason'), models.CheckConstraint(condition=models.Q(('approved_by', None), models.Q(('approved_by', models.F('requested_by')), _negated=True), _connector='OR'), name='period_reopening_second_person'), models.CheckConstraint(condition=models.Q(models.Q(('approved_at', None), ('approved_by', None), ('declined_at', None), ('declined_by', None)), models.Q(('approved_at__isnull', False), ('approved_by__isnull', False), ('declined_at', None), ('declined_by', None)), models.Q(('approved_at', None), ('approved_by', None), ('declined_at__isnull', False), ('declined_by__isnull', False)), _connector='OR'), name='period_reopening_steps'), models.UniqueConstraint(condition=models.Q(('approved_at', None), ('declined_at', None)), fields=('period',), name='period_reopening_waits_once')],
            },
        ),
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_tokens', to=settings.AUTH_USER_MODEL, verbose_name='user')),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('scopes', models.JSONField(default=list, verbose_name='scopes')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('expires_at', models.DateTimeField(verbose_name='expires')),
                ('last_used_at', models.DateTimeField(editable=False, null=True, verbose_name='last used')),
                ('revoked_at', models.DateTimeField(editable=False, null=True, verbose_name='revoked')),
            ],
            options={
                'verbose_name': 'API token',
                'verbose_name_plural': 'API tokens',
                'ordering': ('-created_at',),
                'permissions': (('revoke_apitoken', "Can revoke anyone's API tokens"),),
                'constraints': [models.CheckConstraint(condition=models.Q(django.db.models.lookups.Exact(accounts.models.keys.JsonType('scopes'), 'array'), models.Q(('scopes__contained_by', ['*', 'charges:read', 'payments:read', 'prices:read', 'prices:write', 'receipts:read', 'receipts:write', 'usage:read'])), models.Q(('scopes', []), _negated=True)), name='api_token_scopes_known', violation_error_message='Choose at least one scope, and only known ones.'), models.CheckConstraint(condition=models.Q(('digest__regex', '^[0-9a-f]{64}$')), name='api_token_digest'), models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='api_token_expires_later')],
            },
        ),
        migrations.CreateModel(
            name='IdempotentRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
                ('key', models.CharField(max_length=255, verbose_name='key')),
                ('method', models.CharField(max_length=8, verbose_name='method')),
                ('path', models.CharField(max_length=255, verbose_name='path')),
                ('body_sha256', models.CharField(max_length=64, verbose_name='SHA-256 of the body')),
                ('status', models.PositiveSmallIntegerField(verbose_name='status of the answer')),
                ('answer', models.TextField(verbose_name='answer')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='received')),
            ],
            options={
                'verbose_name': 'answered API request',
                'verbose_name_plural': 'answered API requests',
                'ordering': ('-id',),
                'indexes': [models.Index(fields=['created_at'], name='idempotent_request_age')],
                'constraints': [models.UniqueConstraint(fields=('user', 'key'), name='idempotent_request_once'), models.CheckConstraint(condition=models.Q(('status__gte', 200), ('status__lt', 500)), name='idempotent_request_status')],
            },
        ),
        migrations.CreateModel(
            name='Project',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=64, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9][A-Za-z0-9._@+-]*\\Z', 'Use letters, digits and . _ @ + - only, beginning with a letter or digit.')], verbose_name='code')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('department', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='projects', to='accounts.department', verbose_name='department')),
                ('owner', models.OneToOneField(blank=True, help_text='Only for a personal project.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='personal_project', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('billing_name', models.CharField(blank=True, max_length=200, verbose_name='billed to')),
                ('billing_address', models.TextField(blank=True, verbose_name='address')),
                ('tax_id', models.CharField(blank=True, max_length=32, verbose_name='tax id')),
                ('po_number', models.CharField(blank=True, max_length=64, verbose_name='purchase order')),
                ('cost_centre', models.CharField(blank=True, max_length=64, verbose_name='cost centre')),
                ('billing_email', models.EmailField(blank=True, max_length=254, verbose_name='e-mail for documents')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'project',
                'verbose_name_plural': 'projects',
                'ordering': ('code',),
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='accounts.project', verbose_name='project')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL, verbose_name='user')),
                ('role', models.CharField(choices=[('pi', 'Principal investigator'), ('member', 'Member')], default='member', max_length=8, verbose_name='role')),
            ],
            options={
                'verbose_name': 'membership',
                'verbose_name_plural': 'memberships',
                'ordering': ('project', 'user'),
                'constraints': [models.UniqueConstraint(fields=('project', 'user'), name='membership_once'), models.CheckConstraint(condition=models.Q(('role__in', ('pi', 'member'))), name='membership_role_known')],
            },
        ),
        migrations.CreateModel(
            name='Split',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='splits', to='accounts.project', verbose_name='project')),
                ('starts_at', models.DateTimeField(help_text='Jobs that end from here on.', verbose_name='from')),
                ('ends_at', models.DateTimeField(blank=True, help_text='Not included; empty means open end.', null=True, verbose_name='until')),
                ('fallback', models.ForeignKey(blank=True, help_text='Empty: the project itself.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.project', verbose_name='pays afterwards')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
            ],
            options={
                'verbose_name': 'split of costs',
                'verbose_name_plural': 'splits of costs',
                'ordering': ('project', '-starts_at'),
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gte', models.F('starts_at')), _connector='OR'), name='split_ends_after_start', violation_error_message="It can't end before it begins."), models.CheckConstraint(condition=models.Q(('reason__regex', '^\\s*$'), _negated=True), name='split_has_reason'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(accounts.models.payers.Same('project'), '&&'), (accounts.models.payers.Span('starts_at', 'ends_at'), '&&')], name='split_no_overlap', violation_error_message='The project has another split at that time.')],
            },
        ),
        migrations.CreateModel(
            name='SplitShare',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('split', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='accounts.split', verbose_name='split of costs')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.project', verbose_name='project')),
                ('percent', models.DecimalField(decimal_places=4, max_digits=7, verbose_name='percent')),
            ],
            options={
                'verbose_name': 'share',
                'verbose_name_plural': 'shares',
                'ordering': ('split', 'pk'),
                'constraints': [models.UniqueConstraint(fields=('split', 'project'), name='split_share_once'), models.CheckConstraint(condition=models.Q(('percent__gt', 0), ('percent__lte', 100)), name='split_share_in_range', violation_error_message='A share is more than 0 and at most 100 percent.')],
            },
        ),
        migrations.CreateModel(
            name='ProjectTier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tiers', to='accounts.project', verbose_name='project')),
                ('tier', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.tier', verbose_name='tier')),
                ('starts_at', models.DateTimeField(verbose_name='from')),
                ('ends_at', models.DateTimeField(blank=True, help_text='Not included; empty means open end.', null=True, verbose_name='until')),
                ('override', models.PositiveSmallIntegerField(choices=[(0, 'Regular'), (1, 'Override')], default=0, verbose_name='kind')),
                ('reason', models.CharField(blank=True, max_length=200, verbose_name='reason')),
            ],
            options={
                'verbose_name': 'tier of a project',
                'verbose_name_plural': 'tiers of projects',
                'ordering': ('project', 'override', 'starts_at'),
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='project_tier_ends_after_start', violation_error_message='It must end after it begins.'), models.CheckConstraint(condition=models.Q(('override', 0), models.Q(('override', 1), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='project_tier_override_has_reason', violation_error_message='An override needs a reason.'), django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(accounts.models.payers.Same('project'), '&&'), (accounts.models.payers.Same('override'), '&&'), (accounts.models.payers.Span('starts_at', 'ends_at'), '&&')], name='project_tier_no_overlap', violation_error_message='The project has another tier at that time.')],
            },
        ),
        migrations.AddField(
            model_name='Project',
            name='members',
            field=models.ManyToManyField(related_name='projects', through='accounts.Membership', to=settings.AUTH_USER_MODEL, verbose_name='members'),
        ),
    ]
